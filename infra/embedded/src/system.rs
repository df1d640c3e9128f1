//! The composition root: every part of the system, put together in one process.

mod callbacks;
mod error;
mod handlers;
mod links;
mod mail;
mod providers;
mod senders;
mod test_sender;
mod workflows;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use error::SystemError;
use providers::Guards;
use senders::{Port, Senders};
use sendoff_consumers::{
    Consumer, Meter, NoMeter, ReactionContext, Reactor, Router, RouterError, RouterPorts, Stop, Worker, WorkerSettings,
    reactions::Timeline, templates,
};
use sendoff_events::{Clock, Rng};
pub use sendoff_host::PartError;
use sendoff_host::{
    Phase, Phases, SystemClock, SystemRng,
    server::{Bounds, serve},
};
use sendoff_producers::api::{self, ApiState, DevelopmentKey, KeySet, Limits};
pub use test_sender::{TestMessage, TestSender};
use tokio::net::TcpListener;

use crate::{Retention, Store, StoreOptions, config::Config, sink::SinkAccounts};

/// How often what nobody needs any more is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);

/// How often it is noticed that another process has written to the folder: what a person has decided.
const LOOKOUT: Duration = Duration::from_secs(1);

/// What is stopped may take this much longer than it was given, before it is cut off.
const MARGIN: Duration = Duration::from_secs(5);

/// The whole system, running: API, consumers, the reaction to changes, the servers inside the process that keep
/// messages, and the store.
///
/// Its parts stand in phases. Stopping goes through them in order, so that nothing loses what it depends on: the API and the
/// consumers take no more and finish, then the mail server, and last the store. Events that the API still takes are in the
/// store, and are handled after the next start.
pub struct System {
    store: Store,
    address: SocketAddr,
    sink: Option<SinkAccounts>,
    consumers: Vec<Arc<Consumer>>,
    phases: Phases,
}

impl System {
    /// Starts everything. When it returns, the API takes requests.
    ///
    /// # Errors
    ///
    /// [`SystemError`]; what was started by then is stopped again.
    pub async fn start(config: &Config) -> Result<Self, SystemError> {
        Self::start_with(config, |router, _| Ok(router)).await
    }

    /// Starts everything, and measures what the consumers and the reaction do.
    ///
    /// # Errors
    ///
    /// As [`start`](System::start).
    pub async fn start_metered(config: &Config, meter: Arc<dyn Meter>) -> Result<Self, SystemError> {
        Self::assemble(config, meter, |router, _| Ok(router)).await
    }

    /// Starts everything, and the handlers that `add` adds to the router: a consumer of your own beside the standard ones.
    /// Its queue is made and subscribed to the events that it handles.
    ///
    /// # Errors
    ///
    /// As [`start`](System::start), and what `add` gives.
    pub async fn start_with(
        config: &Config,
        add: impl FnOnce(Router, &Store) -> Result<Router, RouterError>,
    ) -> Result<Self, SystemError> {
        Self::assemble(config, Arc::new(NoMeter), add).await
    }

    async fn assemble(
        config: &Config,
        meter: Arc<dyn Meter>,
        add: impl FnOnce(Router, &Store) -> Result<Router, RouterError>,
    ) -> Result<Self, SystemError> {
        let settings = &config.settings;
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let store = Store::open(
            &settings.data,
            StoreOptions { durability: settings.durability, max_body: settings.topic_limit, ..StoreOptions::default() },
        )?;
        let ended = store.recover().await?;
        if ended > 0 {
            tracing::info!(messages = ended, "the process before has vanished; what it was at is delivered again");
        }
        let listener = listen(settings.listen).await?;
        let address =
            listener.local_addr().map_err(|source| SystemError::Listen { address: settings.listen, source })?;

        let (mut front, mut back) = (Phase::new(settings.grace + MARGIN), Phase::new(MARGIN));
        let guards = Guards::new(clock.clone(), rng.clone());
        let Senders { mail, others, sink } = senders::start(config, &guards, &mut back, Port::Kept).await?;
        let keep = settings.inbox_keep;
        let retention = Retention { events: keep, changes: keep, deliveries: keep, runs: keep, ..Retention::default() };
        back.run("the housekeeping", keep_house(store.clone(), retention, clock.clone(), back.stop_signal()));
        back.run("the look-out for other processes", look_out(store.clone(), clock.clone(), back.stop_signal()));

        let ports = RouterPorts {
            inbox: store.inbox(),
            clock: clock.clone(),
            rng: rng.clone(),
            blobs: Some(store.blobs()),
            keep: settings.inbox_keep,
            meter: meter.clone(),
        };
        let links = links::links(config, address)?;
        let engine = store.workflows(rng.clone());
        let channels = others.channels();
        let router = handlers::standard(ports, config, &store, mail, others, links.clone(), engine.clone())?;
        let router = add(router, &store)?;
        let consumers: Vec<_> = router.consumers().cloned().collect();
        let pace = WorkerSettings {
            concurrency: settings.concurrency,
            // A receive costs no round trip here, so it may fill every free slot at once.
            batch: settings.concurrency,
            lease: settings.lease,
            grace: settings.grace,
            ..WorkerSettings::default()
        };
        handlers::end_subscriptions_of_what_is_off(&store, &consumers).await?;
        let picked_up = engine.pick_up().await?;
        if picked_up > 0 {
            tracing::warn!(runs = picked_up, "running workflows had no message that carries them on; they go on now");
        }
        for consumer in &consumers {
            store.subscribe(consumer.name(), &consumer.filter()).await?;
            let queue = store.queue(consumer.name()).await?;
            let worker = Worker::new(consumer.clone(), queue, clock.clone(), rng.clone(), pace);
            let stop = front.stop_signal();
            front.run(format!("the consumer `{}`", consumer.name()), async move {
                worker.run(stop).await;
                Ok(())
            });
        }
        let records = store.records();
        let context = ReactionContext { clock: clock.clone(), rng: rng.clone(), meter };
        let reactor = Reactor::new(Arc::new(Timeline { records: records.clone() }), store.changes(), context);
        let stop = front.stop_signal();
        front.run("the reaction to changes", async move {
            reactor.run(stop).await;
            Ok(())
        });

        let limits = Limits { body_bytes: settings.max_body, ..Limits::default() };
        let callbacks = callbacks::router(config, &store, engine.clone(), links, clock.clone(), rng.clone());
        let allowed = settings.webhook_allow.iter().flatten().map(ToString::to_string);
        let sinks = sink.iter().filter_map(|sink| sink.base_url.strip_prefix("http://").map(str::to_owned));
        let state = ApiState::new(records, keys(config, address)?, clock, rng)
            .with_limits(limits)
            .with_load_tests(config.load_tests)
            .with_mail_flaws(templates::flaws)
            .with_channels(channels)
            .with_plain_webhooks(allowed.chain(sinks));
        let api = api::router(state).merge(callbacks);
        let stop = front.stop_signal();
        front.run("the API", async move {
            serve(listener, api, Bounds::default(), stop).await;
            Ok(())
        });
        Ok(Self { store, address, sink, consumers, phases: Phases::new(vec![front, back]) })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The providers inside the process, if messages go to them. Webhook endpoints may be had below their `/webhooks/`.
    #[must_use]
    pub const fn sink(&self) -> Option<&SinkAccounts> {
        self.sink.as_ref()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The consumers, sorted by name. Each has a subscription to the events that it handles.
    #[must_use]
    pub fn consumers(&self) -> &[Arc<Consumer>] {
        &self.consumers
    }

    /// Resolves when a part has failed. Then the rest should be shut down: half a system is worse than none.
    pub async fn failed(&mut self) -> PartError {
        self.phases.failed().await
    }

    /// Stops everything in order and loses nothing: whole requests are answered, which they have a few seconds for, and
    /// connections without one are closed at once; running handlers get the grace period, and what isn't finished by then is
    /// delivered again at the next start.
    ///
    /// # Errors
    ///
    /// [`PartError`] of the first part that failed while it stopped; everything is stopped nevertheless.
    pub async fn shutdown(self) -> Result<(), PartError> {
        let result = self.phases.stop().await;
        self.store.shutdown().await;
        result
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SystemError> {
    TcpListener::bind(address).await.map_err(|source| SystemError::Listen { address, source })
}

/// The configured keys; without any, the development key, which only a loopback address gives.
fn keys(config: &Config, address: SocketAddr) -> Result<KeySet, SystemError> {
    if config.has_keys {
        return Ok(config.keys.clone());
    }
    Ok(KeySet::new().with_development(&DevelopmentKey::loopback(address)?)?)
}

async fn keep_house(store: Store, retention: Retention, clock: Arc<dyn Clock>, stop: Stop) -> Result<(), String> {
    loop {
        match store.purge(retention).await {
            Ok(purged) => tracing::debug!(?purged, "forgot what nobody needs any more"),
            // The next round may have more luck; the system works without it.
            Err(error) => tracing::warn!(%error, "old data could not be removed"),
        }
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = clock.sleep(HOUSEKEEPING) => {}
        }
    }
}

async fn look_out(store: Store, clock: Arc<dyn Clock>, stop: Stop) -> Result<(), String> {
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = clock.sleep(LOOKOUT) => {}
        }
        match store.notice_others().await {
            Ok(true) => tracing::debug!("another process has written to the data folder"),
            Ok(false) => {}
            // Whoever waits looks again by itself, a little later.
            Err(error) => tracing::warn!(%error, "it can't be told whether other processes have written"),
        }
    }
}
