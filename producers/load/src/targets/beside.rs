//! A system that another process serves from a data folder of this machine. What goes in past its API is written as a guest
//! (`docs/adr/0018-a-guest-in-the-folder.md`), which the server notices within a second.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
};

use sendoff_consumers::{Depth, Subscriber};
use sendoff_embedded::{OpenError, Store, StoreOptions};
use sendoff_events::{BoxFuture, EventId};
use sendoff_host::SystemClock;

use super::{TargetOptions, open_api, people, store, ways::Ways};
use crate::{
    RunId,
    target::{Accepted, Cleaned, Found, Parcel, Person, Seen, SendError, Target, TargetError, Usage, Via},
};

/// A data folder that is being served.
pub(super) struct Beside {
    store: Store,
    ways: Ways,
}

impl Beside {
    /// Opens the folder as a guest.
    pub(super) fn open(folder: &Path, options: &TargetOptions) -> Result<Self, TargetError> {
        let what = "opening the data folder";
        let store = Store::open_beside(folder, StoreOptions::default()).map_err(|error| match error {
            OpenError::Missing { .. } => TargetError::unreachable(what, error),
            error => TargetError::unusable(what, error),
        })?;
        let clock = Arc::new(SystemClock);
        let api = open_api(options, clock.clone())?;
        let ways = Ways::new(store.records(), store.publisher(), store.dead_letter_queues(), clock, api);
        Ok(Self { store, ways })
    }

    /// The process that serves the folder, as it has written into the lock.
    fn server(&self) -> Option<String> {
        let lock = self.store.file().parent()?.join("sendoff.lock");
        Some(std::fs::read_to_string(lock).ok()?.trim().to_owned()).filter(|pid| pid.parse::<u32>().is_ok())
    }

    /// Checks that somebody holds the lock of the folder: without a server nothing that is sent comes to its end.
    fn is_served(&self) -> Result<(), TargetError> {
        let what = "looking for the server of the data folder";
        let folder = self.store.file().parent().unwrap_or(Path::new("."));
        let lock = folder.join("sendoff.lock");
        match File::open(&lock).map(|file| file.try_lock_shared()) {
            Ok(Err(TryLockError::WouldBlock)) => Ok(()),
            Ok(Err(TryLockError::Error(error))) => {
                Err(TargetError::unreachable(what, format!("{}: {error}", lock.display())))
            }
            Ok(Ok(())) | Err(_) => {
                let why = format!("no server is there: start one with `sendoff --data {}`", folder.display());
                Err(TargetError::unreachable(what, why))
            }
        }
    }
}

impl Target for Beside {
    fn name(&self) -> String {
        self.ways.letters.deployment()
    }

    fn remark(&self, via: Via) -> Option<&'static str> {
        const LATE: &str = "what came in beside the server is noticed within a second: queue wait and end to end are up to 1 s \
                            longer than by `via = \"api\"`, which the server takes in itself";
        (via != Via::Api).then_some(LATE)
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>> {
        Box::pin(async { self.ways.subscribers().await.map(<[_]>::to_vec) })
    }

    fn ready<'a>(&'a self, run: &'a RunId, via: Via) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            self.is_served()?;
            self.ways.api_answers(run, via).await?;
            people::are_absent(&*self.ways.records, run).await
        })
    }

    fn prepare<'a>(&'a self, run: &'a RunId, made: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            people::make(&*self.ways.records, &*self.ways.clock, run, made).await?;
            self.ways.make_apps(run, made).await
        })
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

    fn dead_events<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>> {
        Box::pin(store::dead_events(&self.store, run))
    }

    fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>> {
        Box::pin(store::depths(&self.store))
    }

    fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>> {
        let resident = self.server().and_then(|pid| store::resident(&pid));
        let usage = Usage { resident, stored: store::stored(&self.store), cost: None };
        Box::pin(async move { Ok(usage) })
    }

    fn clean<'a>(&'a self, run: &'a RunId, dry: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>> {
        Box::pin(store::clean(&self.store, run, dry))
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async {
            self.store.shutdown().await;
            Ok(())
        })
    }
}
