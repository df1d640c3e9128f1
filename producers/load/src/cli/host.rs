//! Where the parts of a run run: the generator on a thread of its own, so that a busy system doesn't make it late, and the sends on
//! those of the program.

use std::{sync::Arc, thread};

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
        let health = runtime.block_on(generating);
        // Whoever waited may have gone.
        let _ = sender.send(health);
    });
    Box::pin(async move {
        // One late send of none is no good health: a generator that broke off says nothing about the system.
        let broken = Health { late: 1, ..Health::default() };
        if spawned.is_err() { broken } else { receiver.await.unwrap_or(broken) }
    })
}
