//! Every promise of every port, once per backend: `conformance::embedded::queue::a_waiting_receive_…`.

use std::collections::BTreeSet;

use sendoff_tests::conformance::{Backend, OnEmbedded, OnMemory, PROMISES, prove};

/// A test for each promise, for the backend that `open` opens in the module around it.
macro_rules! tests {
    ($($group:ident { $($promise:ident)+ })+) => {
        $(mod $group {
            $(#[test]
            fn $promise() {
                super::super::prove(concat!(stringify!($group), "::", stringify!($promise)), super::open);
            })+
        })+
    };
}

mod memory {
    use super::OnMemory;

    fn open() -> sendoff_events::BoxFuture<'static, OnMemory> {
        OnMemory::open()
    }

    sendoff_tests::every_promise!(tests);
}

mod embedded {
    use super::OnEmbedded;

    fn open() -> sendoff_events::BoxFuture<'static, OnEmbedded> {
        OnEmbedded::open()
    }

    sendoff_tests::every_promise!(tests);
}

#[test]
fn every_excuse_names_a_promise_and_a_reason() {
    let names: BTreeSet<&str> = PROMISES.iter().map(|promise| promise.name).collect();
    assert_eq!(names.len(), PROMISES.len(), "a promise is listed twice");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let excused =
        runtime.block_on(async { [OnMemory::open().await.excused(), OnEmbedded::open().await.excused()].concat() });
    for (promise, reason) in excused {
        assert!(names.contains(promise) && !reason.is_empty(), "{promise}: {reason}");
    }
}
