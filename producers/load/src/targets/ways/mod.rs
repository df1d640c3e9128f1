//! The ways that parcels go into a system: the same over every backend, since each goes through a port or the API.

mod api;
mod descriptors;
mod queue;
mod table;
mod topic;

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt as _, stream};
use sendoff_consumers::{Attributes, DeadLetters, Subscriber};
use sendoff_events::{BoxFuture, Clock, Outgoing};
use sendoff_producers::{Publisher, Records};
use tokio::sync::OnceCell;

pub(super) use api::{Api, Credential};

use super::people::{first, mark};
use crate::{
    RunId,
    target::{Accepted, Parcel, Person, SendError, TargetError, Via},
};

/// What became of one parcel.
type Sent = Result<Accepted, SendError>;

/// How many commits, or requests to the API, are under way at a time within one call.
const AT_ONCE: usize = 256;

/// The ports that parcels go in by.
pub(super) struct Ways {
    pub(super) records: Arc<dyn Records>,
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) letters: Arc<dyn DeadLetters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) api: Option<Api>,
    /// Who gets what from the topic. It doesn't change while a run goes on.
    subscribers: OnceCell<Vec<Subscriber>>,
}

impl Ways {
    pub(super) fn new(
        records: Arc<dyn Records>,
        publisher: Arc<dyn Publisher>,
        letters: Arc<dyn DeadLetters>,
        clock: Arc<dyn Clock>,
        api: Option<Api>,
    ) -> Self {
        Self { records, publisher, letters, clock, api, subscribers: OnceCell::new() }
    }

    /// Who gets what from the topic.
    pub(super) async fn subscribers(&self) -> Result<&[Subscriber], TargetError> {
        let asked = self.subscribers.get_or_try_init(|| self.letters.subscribers()).await;
        asked.map(Vec::as_slice).map_err(|e| TargetError::unreachable("asking who gets what from the topic", e))
    }

    /// Sends parcels, and gives one result for each, in their order.
    pub(super) async fn send(&self, via: Via, parcels: &[Parcel]) -> Vec<Sent> {
        match via {
            Via::Topic => topic::send(&*self.publisher, parcels).await,
            Via::Queue => self.by_queue(parcels).await,
            Via::Table => {
                in_order(parcels.iter().map(|p| boxed(table::send(&*self.records, &*self.clock, p))).collect()).await
            }
            Via::Api => match &self.api {
                Some(api) => in_order(parcels.iter().map(|parcel| boxed(api.send(parcel))).collect()).await,
                None => vec![refused("there is no address of an API: give it with --api"); parcels.len()],
            },
        }
    }

    /// Checks that the API answers and takes the token, where it is the way in.
    pub(super) async fn api_answers(&self, run: &RunId, via: Via) -> Result<(), TargetError> {
        let Some(api) = self.api.as_ref().filter(|_| via == Via::Api) else { return Ok(()) };
        api.answers().await?;
        let (tenant, user) = first(run)?;
        api.knows(&tenant, &user).await
    }

    /// Makes the apps of the run where requests to the API are those of another tenant, since the token says so.
    pub(super) async fn make_apps(&self, run: &RunId, people: &[Person]) -> Result<(), TargetError> {
        let Some(api) = self.api.as_ref().filter(|api| api.is_of_another_tenant()) else { return Ok(()) };
        let apps: BTreeSet<&str> = people.iter().map(|person| &*person.app).collect();
        for app in apps {
            api.make_app(app, &mark(run)).await?;
        }
        Ok(())
    }

    async fn by_queue(&self, parcels: &[Parcel]) -> Vec<Sent> {
        match self.subscribers().await {
            Ok(subscribers) => queue::send(&*self.letters, subscribers, parcels).await,
            Err(error) => vec![refused(&error.to_string()); parcels.len()],
        }
    }
}

fn boxed<'a>(sending: impl Future<Output = Sent> + Send + 'a) -> BoxFuture<'a, Sent> {
    Box::pin(sending)
}

/// Runs them, some at a time, and gives what became of each in order.
async fn in_order(sends: Vec<BoxFuture<'_, Sent>>) -> Vec<Sent> {
    stream::iter(sends).buffered(AT_ONCE).collect().await
}

/// The event of a parcel that is one.
fn event(parcel: &Parcel) -> Option<&Outgoing> {
    match parcel {
        Parcel::Event(event) | Parcel::Again(event) => Some(event),
        Parcel::Poison { .. } | Parcel::Request(_) => None,
    }
}

/// An event's attributes, by which subscriptions filter.
fn attributes(event: &Outgoing) -> Attributes {
    Attributes::from([
        ("type".to_owned(), event.event_type().to_string()),
        ("tenant".to_owned(), event.tenant().as_str().to_owned()),
    ])
}

fn refused(why: &str) -> Sent {
    Err(SendError::Refused(why.to_owned()))
}

/// A parcel that can't go this way.
fn misplaced(way: &str) -> Sent {
    refused(&format!("this kind of parcel can't be sent by the {way}"))
}
