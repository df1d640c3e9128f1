//! Where the parts of a run run: the generator on a thread of its own, so that a busy system doesn't make it late, and the sends on
//! those of the program.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use futures::channel::oneshot;
use sendoff_events::{BoxFuture, Clock};
use tokio::runtime::{Builder, Handle};

use crate::{
    Via,
    generator::{Courier, Health},
    run::Host,
    target::Target,
};

/// The host of a real run. Must be used within a runtime.
pub(super) const REAL: Host = Host { courier, apart };

fn courier(target: Arc<dyn Target>, via: Via, clock: Arc<dyn Clock>) -> Courier {
    let runtime = Handle::current();
    Arc::new(move |parcels| {
        let (target, clock, now) = (target.clone(), clock.clone(), clock.clone());
        let sending = runtime.spawn(async move {
            let answers = target.send(via, &parcels).await;
            (clock.now(), answers)
        });
        // A send that panicked has no answers: what it carried isn't known to have arrived.
        Box::pin(async move { sending.await.unwrap_or_else(|_| (now.now(), Vec::new())) })
    })
}

fn apart(generating: BoxFuture<'static, Health>) -> BoxFuture<'static, Health> {
    let Ok(runtime) = Builder::new_current_thread().enable_time().build() else { return generating };
    let (sender, receiver) = oneshot::channel();
    let spawned = thread::Builder::new().name("load generator".into()).spawn(move || {
        // Nothing of the generator is used after it panicked, and whoever shares a lock with it passes over that.
        let health = catch_unwind(AssertUnwindSafe(|| runtime.block_on(generating)));
        // Whoever waited may have gone.
        let _ = sender.send(health.unwrap_or_else(|panic| Health::broken(said(&*panic))));
    });
    Box::pin(async move {
        match spawned {
            Ok(_) => receiver.await.unwrap_or_else(|_| Health::broken("it said nothing")),
            Err(error) => Health::broken(format!("its thread can't be started: {error}")),
        }
    })
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_panics_says_why() {
        let broken = futures::executor::block_on(apart(Box::pin(async { panic!("{} is too much", 9) })));
        assert_eq!(broken.broke_off.as_deref(), Some("9 is too much"));
        assert!(!broken.is_good());
        let good = futures::executor::block_on(apart(Box::pin(async { Health::default() })));
        assert_eq!((good.is_good(), good.broke_off), (true, None));
    }
}
