//! What every function is put together from.

use std::{io, sync::Arc};

use sendoff_consumers::{Meter, RouterPorts, handlers::Desk};
use sendoff_events::{Clock, Rng};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::{Lookup, Publisher, api::KeySet};

use crate::{
    Aws, Environment, LogLevel, Store, auth_keys,
    desk::desk,
    lambda::FunctionError,
    log_to_stdout,
    lookup::{lookup, shared},
    metrics::{CountingPublisher, EmfMeter},
    providers::Providers,
    renewed::{Renewed, fetch},
    settings::{Need, Settings},
};

/// Settings, connection, clock and meter of a function. Nothing is called to make them.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    meter: Arc<EmfMeter>,
}

impl Parts {
    /// What every consumer can't do without.
    pub(super) const CONSUMER: [Need; 5] = [Need::Table, Need::InboxTable, Need::Queues, Need::Schedules, Need::Bucket];

    /// The parts of a consumer that can't do without these settings beside those of every one.
    pub(super) fn of_consumer(needs: &[Need]) -> Result<Self, FunctionError> {
        Self::of(&[&Self::CONSUMER, needs].concat())
    }

    /// The parts of a function that can't do without these settings. Logging begins here.
    pub(super) fn of(needs: &[Need]) -> Result<Self, FunctionError> {
        let variables = || std::env::vars_os().filter_map(text);
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let settings = Settings::read(variables(), needs);
        // What is wrong has to be logged, too. A second attempt at making the function finds logging begun.
        let _ = log_to_stdout(
            &settings.as_ref().map_or_else(|_| LogLevel::default(), |s| s.log_level.clone()),
            clock.clone(),
        );
        let settings = settings.map_err(FunctionError::start)?;
        let aws = Aws::from_environment(Environment::of(variables())).map_err(FunctionError::start)?;
        let store = Store::new(aws, settings.resources(), clock.clone(), rng.clone());
        let meter = Arc::new(EmfMeter::new(settings.metrics_namespace.clone(), clock.clone()));
        Ok(Self { settings, store, clock, rng, meter })
    }

    pub(super) fn meter(&self) -> Arc<dyn Meter> {
        self.meter.clone()
    }

    /// The topic. What it takes is counted under the function's name.
    pub(super) fn publisher(&self, name: &'static str) -> Arc<dyn Publisher> {
        Arc::new(CountingPublisher::new(self.store.publisher(), self.meter.clone(), name))
    }

    /// The records, remembered. Hits and misses are counted under the function's name.
    pub(super) async fn lookup(&self, name: &'static str) -> Arc<dyn Lookup> {
        lookup(&self.store, shared(&self.store, &self.settings).await, self.meter(), name)
    }

    /// What makes the providers.
    pub(super) fn providers(&self) -> Providers<'_> {
        Providers::new(&self.store, &self.settings)
    }

    /// What telling people takes, for the consumer `name`.
    pub(super) async fn desk(&self, name: &'static str) -> Result<Arc<Desk>, FunctionError> {
        let desk = desk(&self.store, &self.settings, self.lookup(name).await).await;
        desk.map(Arc::new).map_err(FunctionError::start)
    }

    /// Writes what was measured, where CloudWatch finds it.
    pub(super) fn flush(&self) {
        if let Err(error) = self.meter.flush(&mut io::stdout()) {
            tracing::warn!(%error, "metrics can't be written");
        }
    }

    /// What a consumer works with.
    pub(super) fn router_ports(&self) -> RouterPorts {
        RouterPorts {
            inbox: self.store.inbox(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            blobs: Some(self.store.blobs()),
            keep: self.settings.inbox_keep,
            meter: self.meter(),
        }
    }

    /// The keys that tokens are checked with.
    pub(super) fn auth_keys(&self) -> Result<Renewed<KeySet>, FunctionError> {
        let secret = self.settings.auth_keys().map_err(FunctionError::start)?;
        Ok(Renewed::new(fetch(secret, &self.store), Box::new(auth_keys::keys_of)))
    }
}

/// A variable as text; what isn't UTF-8 is replaced, and no setting takes it.
fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
}
