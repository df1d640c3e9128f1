//! Every promise of every port, once per backend: `conformance::embedded::queue::a_waiting_receive_…`.

use std::collections::BTreeSet;

use sendoff_tests::{
    conformance::{Backend, Capability, OnAws, OnEmbedded, OnMemory, PROMISES, prove},
    memory::Planted,
};

/// A test for each promise, for the backend that `open` opens in the module around it.
macro_rules! tests {
    ($($group:ident { $($promise:ident $([$needs:ident])?)+ })+) => {
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

mod aws {
    use super::OnAws;

    fn open() -> sendoff_events::BoxFuture<'static, OnAws> {
        OnAws::open()
    }

    sendoff_tests::every_promise!(tests);
}

#[test]
fn every_excuse_names_a_promise_and_a_reason() {
    let names: BTreeSet<&str> = PROMISES.iter().map(|promise| promise.name).collect();
    assert_eq!(names.len(), PROMISES.len(), "a promise is listed twice");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let backends: [Box<dyn Backend>; 3] =
            [Box::new(OnMemory::open().await), Box::new(OnEmbedded::open().await), Box::new(OnAws::open().await)];
        for backend in &backends {
            assert!(backend.lacks().iter().all(|(_, why)| !why.is_empty()));
            for (promise, why) in backend.unproven() {
                assert!(names.contains(promise) && !why.is_empty(), "{promise}: {why}");
            }
        }
        for capability in Capability::ALL {
            let needed = PROMISES.iter().any(|promise| promise.needs == Some(capability));
            let had = backends.iter().any(|backend| backend.lacks().iter().all(|(lacking, _)| *lacking != capability));
            assert!(needed && had, "{capability:?} is needed by no promise, or had by no backend");
        }
    });
}

/// Checks that a promise is seen to be broken by a mistake.
fn sees(planted: Planted, promise: &str) {
    let broken = std::panic::catch_unwind(|| prove(promise, || OnMemory::with(Some(planted))));
    assert!(broken.is_err(), "`{promise}` didn't notice {planted:?}");
}

#[test]
fn it_sees_an_inbox_without_fences() {
    sees(Planted::UnfencedInbox, "ledger::a_worker_that_was_taken_over_can_write_nothing");
    sees(Planted::UnfencedInbox, "ledger::whatever_is_asked_the_answers_are_those_of_the_rules");
}

#[test]
fn it_sees_a_claim_that_forgets_what_was_being_sent() {
    sees(Planted::ForgetsSending, "inbox::what_was_being_sent_is_in_doubt_after_a_take_over");
}

#[test]
fn it_sees_a_queue_that_acks_before_the_message_is_handled() {
    sees(Planted::AcksBeforeHandling, "leases::an_extended_lease_keeps_the_message_hidden");
}
