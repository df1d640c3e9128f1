//! The embedded backend, as the suite sees it.

use sendoff_host::SystemRng;
use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Audit, Changes, DeadLetters, Deliveries, Filter, Inbox, Queue, Runs, Schedules, Workflows};
use sendoff_embedded::{Durability, Store, StoreOptions};
use sendoff_events::{Blobs, BoxFuture, Clock, Rng};
use sendoff_producers::{Outbox, Publisher, Records};
use tempfile::TempDir;

use super::{Backend, Capability, WarpClock};

/// A store in a folder of its own.
pub struct OnEmbedded {
    store: Store,
    clock: WarpClock,
    _folder: TempDir,
}

impl OnEmbedded {
    /// What it can't do.
    pub const LACKS: &[(Capability, &'static str)] =
        &[(Capability::PendingEvents, "a commit publishes in its own transaction, so nothing is ever pending")];

    /// A fresh one.
    #[must_use]
    pub fn open() -> BoxFuture<'static, Self> {
        Box::pin(async {
            let folder = tempfile::tempdir().expect("a folder");
            let clock = WarpClock::new();
            // The promises are about logic; what a power cut takes is none of theirs.
            let options = StoreOptions {
                durability: Durability::Normal,
                clock: Arc::new(clock.clone()),
                ..StoreOptions::default()
            };
            let store = Store::open(folder.path(), options).expect("a fresh store opens");
            Self { store, clock, _folder: folder }
        })
    }
}

impl Backend for OnEmbedded {
    fn records(&self) -> Arc<dyn Records> {
        self.store.records()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.store.outbox()
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        self.store.publisher()
    }

    fn create_queue<'a>(&'a self, name: &'a str, filter: Option<Filter>) -> BoxFuture<'a, Arc<dyn Queue>> {
        Box::pin(async move {
            if let Some(filter) = filter {
                self.store.subscribe(name, &filter).await.expect("subscribed");
            }
            self.store.queue(name).await.expect("a queue")
        })
    }

    fn dead_letter_queues(&self) -> Arc<dyn DeadLetters> {
        self.store.dead_letter_queues()
    }

    fn audit(&self) -> Arc<dyn Audit> {
        self.store.audit()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        self.store.inbox()
    }

    fn deliveries(&self) -> Arc<dyn Deliveries> {
        self.store.deliveries()
    }

    fn changes(&self) -> Arc<dyn Changes> {
        self.store.changes()
    }

    fn schedules(&self) -> Arc<dyn Schedules> {
        self.store.schedules()
    }

    fn runs(&self) -> Option<Arc<dyn Runs>> {
        Some(self.store.runs())
    }

    fn workflows(&self) -> Arc<dyn Workflows> {
        self.store.workflows(self.rng())
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        self.store.blobs()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn rng(&self) -> Arc<dyn Rng> {
        Arc::new(SystemRng::new())
    }

    fn advance(&self, by: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(by);
        Box::pin(async {})
    }

    fn lacks(&self) -> &'static [(Capability, &'static str)] {
        Self::LACKS
    }
}
