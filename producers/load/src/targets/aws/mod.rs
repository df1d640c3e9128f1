//! A deployment on AWS, as the environment names it: by the variables that its worker takes.

mod account;
mod clean;
mod cost;
mod folder;
mod letters;
mod look;
mod permit;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use futures::future::try_join_all;
use sendoff_aws::{
    Aws, Environment, Store,
    settings::{Need, Settings},
};
use sendoff_consumers::{Depth, Subscriber};
use sendoff_events::{BoxFuture, EventId};

use super::{TargetOptions, World, open_api, people, ways::Ways};
use crate::{
    RunId,
    target::{Accepted, Cleaned, Found, Parcel, Person, Seen, SendError, Target, TargetError, Usage, Via},
};
use cost::Meter;
use folder::Folder;
use letters::Letter;
use look::{Emptiness, Unpublished};
use permit::Permit;

/// What no run can do without.
const NEEDS: [Need; 5] = [Need::Table, Need::InboxTable, Need::Topic, Need::Queues, Need::Bucket];

const OPENING: &str = "opening the deployment on AWS";

/// A deployment on AWS.
pub(super) struct OnAws {
    store: Store,
    ways: Ways,
    permit: Permit,
    meter: Meter,
    emptiness: Emptiness,
    unpublished: Unpublished,
    /// Where the reports of runs stand.
    runs: PathBuf,
}

impl OnAws {
    /// Opens it, if it may be put under load. Nothing of it is called before.
    pub(super) async fn open(options: &TargetOptions, world: &World) -> Result<Self, TargetError> {
        let (settings, permit) = permitted(options, world)?;
        let environment = Environment::of(world.variables.clone());
        let aws = match Aws::from_environment(environment.clone()) {
            Ok(aws) => aws,
            Err(_) => Aws::load(environment).await.map_err(|e| TargetError::unusable(OPENING, e))?,
        };
        let store = Store::new(aws, settings.resources(), world.clock.clone(), world.rng.clone());
        let api = open_api(options, world.clock.clone())?;
        let ways = Ways::new(store.records(), store.publisher(), store.dead_letter_queues(), world.clock.clone(), api);
        let runs = options.runs.clone().unwrap_or_else(|| PathBuf::from(".sendoff-load"));
        Ok(Self {
            store,
            ways,
            permit,
            meter: Meter::default(),
            emptiness: Emptiness::default(),
            unpublished: Unpublished::default(),
            runs,
        })
    }

    fn folder(&self, run: &RunId) -> Folder {
        Folder::of(self.runs.join(run.as_str()))
    }

    /// The consumers that get anything from the topic.
    async fn consumers(&self) -> Result<Vec<String>, TargetError> {
        Ok(self.ways.subscribers().await?.iter().map(|subscriber| subscriber.queue.clone()).collect())
    }

    async fn depth(&self, consumer: &str) -> Result<Depth, TargetError> {
        self.meter.queue_requests(2);
        let depth = self.store.queue(consumer).depth().await;
        depth.map_err(|e| TargetError::unreachable(format!("measuring the queue `{consumer}`"), e))
    }

    async fn all_depths(&self) -> Result<BTreeMap<String, Depth>, TargetError> {
        let consumers = self.consumers().await?;
        // All at once: from far away, one after the other would take longer than the second between two samples.
        let depths = try_join_all(consumers.iter().map(|consumer| self.depth(consumer))).await?;
        Ok(consumers.into_iter().zip(depths).collect())
    }

    async fn send_all(&self, via: Via, parcels: &[Parcel]) -> Vec<Result<Accepted, SendError>> {
        if via == Via::Queue
            && let Ok(subscribers) = self.ways.subscribers().await
            && let Some(queue) = subscribers.iter().find(|subscriber| !self.permit.queue(&subscriber.queue))
        {
            let why = format!("the queue `{0}` isn't allowed: say so with --allow {0}", queue.queue);
            return vec![Err(SendError::Refused(why)); parcels.len()];
        }
        let consumers = self.ways.subscribers().await.map_or(0, <[_]>::len);
        self.meter.sent(via, parcels, consumers);
        self.ways.send(via, parcels).await
    }
}

impl Target for OnAws {
    fn name(&self) -> String {
        self.ways.letters.deployment()
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>> {
        Box::pin(async { self.ways.subscribers().await.map(<[_]>::to_vec) })
    }

    fn ready<'a>(&'a self, run: &'a RunId, via: Via) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            self.is_where_it_may().await?;
            self.ways.api_answers(run, via).await?;
            self.meter.reads(1);
            people::are_absent(&*self.ways.records, run).await
        })
    }

    fn prepare<'a>(&'a self, run: &'a RunId, made: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>> {
        Box::pin(async move {
            self.meter.writes(2 * made.len() as u64);
            people::make(&*self.ways.records, &*self.ways.clock, run, made).await?;
            self.ways.make_apps(run, made).await
        })
    }

    fn send<'a>(&'a self, via: Via, parcels: &'a [Parcel]) -> BoxFuture<'a, Vec<Result<Accepted, SendError>>> {
        Box::pin(self.send_all(via, parcels))
    }

    /// Nothing there is found by its correlation id without reading the whole table.
    fn find<'a>(&'a self, _: &'a RunId, _: &'a [u64]) -> BoxFuture<'a, Result<Option<Found>, TargetError>> {
        Box::pin(async { Ok(None) })
    }

    fn look<'a>(&'a self, pairs: &'a [(EventId, String)]) -> BoxFuture<'a, Result<Vec<Seen>, TargetError>> {
        Box::pin(self.seen(pairs))
    }

    fn dead_poison<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, u64>, TargetError>> {
        Box::pin(async move {
            let poison = |letters: Vec<Letter>| letters.iter().filter(|letter| letter.is_poison_of(run)).count() as u64;
            self.of_letters(self.consumers().await?, poison).await
        })
    }

    fn dead_events<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>> {
        Box::pin(async move {
            let roots = |letters: Vec<Letter>| letters.into_iter().filter_map(|letter| letter.root_of(run)).collect();
            self.of_letters(self.consumers().await?, roots).await
        })
    }

    fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>> {
        Box::pin(self.all_depths())
    }

    fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>> {
        let usage = Usage { resident: None, stored: None, cost: Some(self.meter.dollars()) };
        Box::pin(async move { Ok(usage) })
    }

    fn clean<'a>(&'a self, run: &'a RunId, dry: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>> {
        Box::pin(self.remove(run, dry))
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Checks that what the environment names may be put under load. Calls nothing.
pub(super) fn check(options: &TargetOptions, world: &World) -> Result<(), TargetError> {
    permitted(options, world).map(drop)
}

/// What the environment names, if it may be put under load.
fn permitted(options: &TargetOptions, world: &World) -> Result<(Settings, Permit), TargetError> {
    let settings = Settings::read(world.variables.clone(), &NEEDS).map_err(|e| TargetError::unusable(OPENING, e))?;
    let permit = Permit::of(&settings.resources(), &world.variables, &options.allow)?;
    Ok((settings, permit))
}

/// Each once, in order.
fn distinct<T: Ord + Clone>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}
