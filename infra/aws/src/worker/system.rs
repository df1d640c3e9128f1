//! The composition of the worker.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use sendoff_consumers::{
    self as consumers, Consumer, Count, Meter as _, Reaction, ReactionContext, Reactor, RouterPorts, WorkerSettings,
    cache::{CacheSettings, SharedCache},
    reactions::{CacheInvalidation, Timeline},
};
use sendoff_events::{Clock, Rng};
use sendoff_host::{
    PartError, Phase, Phases, SystemClock, SystemRng,
    server::{Bounds, serve},
};
use tokio::net::TcpListener;

use super::{
    WorkerError, handlers,
    health::Readiness,
    page::{self, Pages},
    reach,
    sweep::Sweep,
};
use crate::{
    Aws, Store,
    lookup::shared,
    metrics::{CountingPublisher, PrometheusMeter},
    settings::Settings,
};

/// What is stopped may take this much longer than it was given, before it is cut off.
const MARGIN: Duration = Duration::from_secs(5);

/// The name that the sweep's events are counted under.
const SWEEP: &str = "sweep";

/// What is counted of every consumer and every reaction.
const OUTCOMES: [Count; 7] = [
    Count::Handled,
    Count::Failed,
    Count::Retried,
    Count::DeadLettered,
    Count::Duplicates,
    Count::InDoubt,
    Count::Deferred,
];

/// The worker, running. Its parts stand in phases that are stopped in order: what works on messages first, and the pages
/// last, so that a probe can see it stop.
pub struct Worker {
    address: SocketAddr,
    consumers: Vec<Arc<Consumer>>,
    phases: Phases,
}

impl Worker {
    /// Starts everything, once everything that it works with has answered.
    ///
    /// # Errors
    ///
    /// [`WorkerError`]; nothing runs then.
    pub async fn start(aws: Aws, settings: &Settings) -> Result<Self, WorkerError> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let store = Store::new(aws, settings.resources(), clock.clone(), rng.clone());
        let meter = Arc::new(PrometheusMeter::new());
        let ports = RouterPorts {
            inbox: store.inbox(),
            clock: clock.clone(),
            rng: rng.clone(),
            blobs: Some(store.blobs()),
            keep: settings.inbox_keep,
            meter: meter.clone(),
        };
        let cache = shared(&store, settings).await;
        let router = handlers::router(settings, &store, cache.as_ref(), ports).await?;
        let names: Vec<&'static str> = router.consumers().map(|consumer| consumer.name()).collect();
        let reactions = reactions(settings, &store, cache);
        let reacting: Vec<_> = reactions.iter().map(|reaction| reaction.name()).collect();
        // A counter that is there from the beginning shows its first step as a step.
        for name in names.iter().chain(&reacting) {
            OUTCOMES.iter().for_each(|what| meter.count(*what, name, 0));
        }
        meter.count(Count::Published, SWEEP, 0);
        reach::all(&store, &names, &reacting).await.map_err(WorkerError::Unreachable)?;

        let listening = |source| WorkerError::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;

        let patience = settings.grace + MARGIN;
        let (mut front, mut back) = (Phase::new(patience), Phase::new(MARGIN));
        let pace = WorkerSettings {
            concurrency: settings.concurrency,
            lease: settings.lease,
            grace: settings.grace,
            ..WorkerSettings::default()
        };
        for consumer in router.consumers() {
            let queue = store.queue(consumer.name());
            let worker = consumers::Worker::new(consumer.clone(), queue, clock.clone(), rng.clone(), pace);
            let stop = front.stop_signal();
            front.run(format!("the consumer `{}`", consumer.name()), async move {
                worker.run(stop).await;
                Ok(())
            });
        }
        for reaction in reactions {
            let name = reaction.name();
            let context = ReactionContext { clock: clock.clone(), rng: rng.clone(), meter: meter.clone() };
            let reactor = Reactor::new(reaction, store.changes(), context);
            let stop = front.stop_signal();
            front.run(format!("the reaction `{name}`"), async move {
                reactor.run(stop).await;
                Ok(())
            });
        }
        let publisher = Arc::new(CountingPublisher::new(store.publisher(), meter.clone(), SWEEP));
        let sweep = Sweep { outbox: store.outbox(), publisher, clock: clock.clone(), rng };
        let stop = front.stop_signal();
        front.run("the sweep of the outbox", async move {
            sweep.run(stop).await;
            Ok(())
        });

        let asking = Box::new(move || -> sendoff_events::BoxFuture<'static, Result<(), String>> {
            let (store, names) = (store.clone(), names.clone());
            Box::pin(async move { reach::queues(&store, &names).await.map_err(|errors| lines(&errors)) })
        });
        let readiness = Arc::new(Readiness::new(clock, front.stop_signal(), asking));
        let pages = page::router(Pages { readiness, meter });
        let stop = back.stop_signal();
        back.run("the pages", async move {
            serve(listener, pages, Bounds::default(), stop).await;
            Ok(())
        });
        Ok(Self { address, consumers: router.consumers().cloned().collect(), phases: Phases::new(vec![front, back]) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The consumers that it runs, sorted by name.
    #[must_use]
    pub fn consumers(&self) -> &[Arc<Consumer>] {
        &self.consumers
    }

    /// Resolves when a part has failed. Then the rest should be shut down.
    pub async fn failed(&mut self) -> PartError {
        self.phases.failed().await
    }

    /// Stops everything in order and loses nothing: running handlers get the grace period, and what isn't finished by then
    /// goes back to its queue.
    ///
    /// # Errors
    ///
    /// [`PartError`] of the first part that failed while it stopped; everything is stopped nevertheless.
    pub async fn shutdown(self) -> Result<(), PartError> {
        self.phases.stop().await
    }
}

/// The reactions to changes, if the stream is to be read: the timeline, and the cache if there is one to be kept up to date.
fn reactions(settings: &Settings, store: &Store, cache: Option<Arc<dyn SharedCache>>) -> Vec<Arc<dyn Reaction>> {
    if settings.stream_arn.is_none() {
        return Vec::new();
    }
    let mut reactions: Vec<Arc<dyn Reaction>> = vec![Arc::new(Timeline { records: store.records() })];
    if let Some(cache) = cache {
        reactions.push(Arc::new(CacheInvalidation::new(cache, &CacheSettings::default(), store.clock.clone())));
    }
    reactions
}

fn lines(errors: &[crate::CallError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
