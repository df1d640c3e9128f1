//! A system of our own: everything in this process, over a folder of its own, at a free port of this machine, with providers that
//! send nothing.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_consumers::{Depth, Subscriber};
use sendoff_embedded::{
    Store, System,
    config::{Config, ConfigFile, Inputs},
};
use sendoff_events::{BoxFuture, EventId};
use sendoff_host::SystemClock;
use sendoff_producers::api::DevelopmentKey;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{
    TargetOptions, kept, people,
    sinks::Sinks,
    store,
    ways::{Api, Credential, Ways},
};
use crate::{
    RunId,
    target::{Accepted, Cleaned, Found, Parcel, Person, Seen, SendError, Target, TargetError, Usage, Via},
};

const STARTING: &str = "starting a system of our own";

/// The whole embedded system in this process.
pub(super) struct Own {
    store: Store,
    ways: Ways,
    sinks: Arc<Sinks>,
    durability: &'static str,
    running: Mutex<Option<Running>>,
}

/// What ends with the run.
struct Running {
    system: System,
    /// Removed when it is dropped.
    _folder: Option<TempDir>,
}

impl Own {
    /// Starts it.
    pub(super) async fn start(options: &TargetOptions) -> Result<Self, TargetError> {
        let failed = |e: &dyn std::fmt::Display| TargetError::unusable(STARTING, e);
        let temporary = match options.keep_data {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("sendoff-load-").tempdir().map_err(|e| failed(&e))?),
        };
        let kept = options.keep_data.as_deref();
        kept.map_or(Ok(()), kept::claim)?;
        let folder = kept.or(temporary.as_ref().map(TempDir::path)).map(|path| path.display().to_string());
        let (durability, synchronous) = if options.relaxed { ("relaxed", "normal") } else { ("full", "full") };
        let flags = [
            ("data", folder.unwrap_or_default()),
            ("listen", "127.0.0.1:0".to_owned()),
            ("store.synchronous", synchronous.to_owned()),
        ];
        // No file and no environment: nothing of the machine's own configuration may send anything.
        let inputs = Inputs {
            flags: flags.map(|(key, value)| ("load".to_owned(), key.to_owned(), value)).into(),
            variables: BTreeMap::new(),
            file: ConfigFile::Nothing,
        };
        let config = Config::load(&inputs).map_err(|e| failed(&e))?;
        let sinks = Arc::new(Sinks::default());
        let system = System::start_metered(&config, sinks.clone()).await.map_err(|e| failed(&e))?;
        // It serves the folder, as any system would, and has taken the mark away.
        kept.map_or(Ok(()), kept::mark)?;
        let (store, clock) = (system.store().clone(), Arc::new(SystemClock));
        let key = DevelopmentKey::loopback(system.address()).map_err(|e| failed(&e))?.signing();
        let credential = Credential::Minted(Box::new(key));
        let api = Api::new(&format!("http://{}", system.address()), credential, clock.clone())?;
        let ways = Ways::new(store.records(), store.publisher(), store.dead_letter_queues(), clock, Some(api));
        let running = Running { system, _folder: temporary };
        Ok(Self { store, ways, sinks, durability, running: Mutex::new(Some(running)) })
    }
}

impl Target for Own {
    fn name(&self) -> String {
        "the embedded system, in this process".into()
    }

    fn durability(&self) -> Option<&'static str> {
        Some(self.durability)
    }

    fn is_here(&self) -> bool {
        true
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>> {
        Box::pin(async { self.ways.subscribers().await.map(<[_]>::to_vec) })
    }

    fn ready<'a>(&'a self, run: &'a RunId, _: Via) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(people::are_absent(&*self.ways.records, run))
    }

    fn prepare<'a>(&'a self, run: &'a RunId, made: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>> {
        self.sinks.begin();
        Box::pin(people::make(&*self.ways.records, &*self.ways.clock, run, made))
    }

    fn send<'a>(&'a self, via: Via, parcels: &'a [Parcel]) -> BoxFuture<'a, Vec<Result<Accepted, SendError>>> {
        Box::pin(self.ways.send(via, parcels))
    }

    fn find<'a>(&'a self, run: &'a RunId, numbers: &'a [u64]) -> BoxFuture<'a, Result<Option<Found>, TargetError>> {
        Box::pin(async move { store::find(&self.store, run, numbers).await.map(Some) })
    }

    fn look<'a>(&'a self, pairs: &'a [(EventId, String)]) -> BoxFuture<'a, Result<Vec<Seen>, TargetError>> {
        Box::pin(store::look(&self.store, pairs))
    }

    fn dead_poison<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, u64>, TargetError>> {
        Box::pin(store::dead_poison(&self.store, run))
    }

    fn doubled<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        let doubled = self.sinks.doubled().map_err(|e| TargetError::unusable("counting what the sinks took", e));
        Box::pin(std::future::ready(doubled.map(Some)))
    }

    fn dead_events<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>> {
        Box::pin(store::dead_events(&self.store, run))
    }

    fn suppressed<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        Box::pin(std::future::ready(Ok(Some(self.sinks.suppressed()))))
    }

    fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>> {
        Box::pin(store::depths(&self.store))
    }

    fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>> {
        let usage = Usage { resident: store::resident("self"), stored: store::stored(&self.store), cost: None };
        Box::pin(async move { Ok(usage) })
    }

    fn clean<'a>(&'a self, run: &'a RunId, dry: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>> {
        Box::pin(store::clean(&self.store, run, dry))
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async {
            let Some(running) = self.running.lock().await.take() else { return Ok(()) };
            running.system.shutdown().await.map_err(|e| TargetError::unusable("stopping the system", e))
        })
    }
}
