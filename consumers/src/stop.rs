//! Asking a running part to stop, without naming a runtime.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, channel::oneshot, future::Shared};
use sendoff_events::{BoxFuture, Clock};

/// A request to stop that any number of parts can wait for.
#[derive(Clone)]
pub struct Stop(Shared<BoxFuture<'static, ()>>);

/// Makes the request. Dropping it makes it too, so that nothing runs on without a master.
pub struct Stopper(oneshot::Sender<()>);

impl Stopper {
    /// Asks everything that waits on the [`Stop`] to stop.
    pub fn stop(self) {
        // A receiver that is gone has stopped already.
        let _ = self.0.send(());
    }
}

impl Stop {
    /// A stopper and what it stops.
    #[must_use]
    pub fn pair() -> (Stopper, Self) {
        let (sender, receiver) = oneshot::channel();
        (Stopper(sender), Self(receiver.map(|_| ()).boxed().shared()))
    }

    /// A stop that is never requested.
    #[must_use]
    pub fn never() -> Self {
        Self(futures::future::pending().boxed().shared())
    }

    /// A stop that is requested `grace` after this one.
    #[must_use]
    pub fn after(&self, clock: Arc<dyn Clock>, grace: Duration) -> Self {
        let first = self.requested();
        let both = async move {
            first.await;
            clock.sleep(grace).await;
        };
        Self(both.boxed().shared())
    }

    /// Resolves when the stop is requested.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.clone()
    }
}
