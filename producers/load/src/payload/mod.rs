//! What is sent: events of the mix, some of them again, some poisonous, some oversize. The same seed makes the same payloads, but
//! for ids and times.

mod event;
mod padding;
mod people;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rand::{Rng as _, RngCore as _, SeedableRng as _, distr::weighted::WeightedIndex, rngs::StdRng};
use rand_distr::Distribution as _;
use sendoff_consumers::Attributes;
use sendoff_events::{Clock, EncodeError, EventId, IdError, Outgoing, Rng};
use serde_json::{Map, json};

use crate::{
    RunId, Via,
    scenario::{Kind, Scenario, Shares},
    target::{Parcel, Person, Request},
};
use event::{About, Making, about};
use people::People;

/// Of how many of the last parcels one may be sent again.
const REMEMBERED: usize = 64;

/// How far behind its first sending one is sent again at least, in parcels that may be.
const APART: usize = 16;

/// Makes the parcels of a run, one after the other.
pub struct Payloads {
    run: RunId,
    via: Via,
    shares: Shares,
    kinds: Vec<(Kind, Option<crate::scenario::Size>)>,
    weights: WeightedIndex<f64>,
    people: People,
    sequences: Vec<u32>,
    random: StdRng,
    ids: Seeded,
    clock: Arc<dyn Clock>,
    recent: VecDeque<(u64, Kind, Parcel)>,
}

/// A parcel, and what has to be known of it afterwards.
#[derive(Debug, Clone)]
pub struct Made {
    /// What is sent.
    pub parcel: Parcel,
    /// Which kind of event it is, or looks like.
    pub kind: Kind,
    /// What sort of parcel it is.
    pub sort: Sort,
    /// The event's id, where it is known already.
    pub id: Option<EventId>,
    /// The number of what it is about, where others are about the same.
    pub subject: Option<u32>,
}

/// What sort of parcel it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// An event, or a request that makes one.
    Event,
    /// The one with this number, again.
    Again(u64),
    /// What can't be decoded.
    Poison,
}

/// The parcels of a scenario can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// A name of the run breaks its rule.
    #[error(transparent)]
    Name(#[from] IdError),
    /// An event can't be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The weights of the mix add up to nothing.
    #[error("the weights of the events can't be used: {0}")]
    Weights(String),
}

impl Payloads {
    /// Those of a scenario, for a run.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] when the run's name is too long, or the weights are no weights.
    pub fn new(scenario: &Scenario, run: &RunId, clock: Arc<dyn Clock>) -> Result<Self, PayloadError> {
        let weights = WeightedIndex::new(scenario.mix.iter().map(|event| event.weight));
        let weights = weights.map_err(|error| PayloadError::Weights(error.to_string()))?;
        let people = People::new(run, scenario.keys)?;
        let subjects = 2 * scenario.keys.users + scenario.keys.tenants * scenario.keys.apps;
        Ok(Self {
            run: run.clone(),
            via: scenario.via,
            shares: scenario.shares,
            kinds: scenario.mix.iter().map(|event| (event.kind, event.size)).collect(),
            weights,
            people,
            sequences: vec![0; subjects],
            random: StdRng::seed_from_u64(scenario.seed),
            // Another stream than that of what is drawn here: ids don't move what comes after them.
            ids: Seeded(Mutex::new(StdRng::seed_from_u64(!scenario.seed))),
            clock,
            recent: VecDeque::with_capacity(REMEMBERED),
        })
    }

    /// Everybody that has to be there before the run.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.people.all()
    }

    /// The parcel with this number.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Encode`] when an event can't be written.
    pub fn make(&mut self, number: u64) -> Result<Made, PayloadError> {
        // Everything is drawn each time, needed or not: what a share changes doesn't move the rest.
        let fate: f64 = self.random.random();
        let ingredient = self.weights.sample(&mut self.random);
        let who = self.people.draw(&mut self.random);
        let pick: usize = self.random.random_range(0..REMEMBERED);
        let (kind, size) = self.kinds[ingredient];
        let size = size.map_or(0, |size| size.draw(&mut self.random));
        let Shares { duplicate, poison, oversize, oversize_bytes } = self.shares;

        if fate < duplicate && self.recent.len() > APART {
            let (original, kind, parcel) = &self.recent[pick % (self.recent.len() - APART)];
            let (kind, sort, parcel) = (*kind, Sort::Again(*original), parcel.clone());
            let parcel = match parcel {
                Parcel::Event(event) => Parcel::Again(event),
                other => other,
            };
            let id = event_of(&parcel).map(|event| event.id());
            return Ok(Made { parcel, kind, sort, id, subject: None });
        }
        let is_poison = (duplicate..duplicate + poison).contains(&fate);
        if is_poison {
            let parcel = self.poison(number, kind, who);
            return Ok(Made { parcel, kind, sort: Sort::Poison, id: None, subject: None });
        }
        let is_oversize = (duplicate + poison..duplicate + poison + oversize).contains(&fate);
        let size = if is_oversize { oversize_bytes } else { size };
        if self.via == Via::Api {
            let parcel = self.request(number, who, size);
            self.remember(number, kind, &parcel);
            return Ok(Made { parcel, kind, sort: Sort::Event, id: None, subject: None });
        }
        let (subject, sequence) = self.subject(kind, who);
        let making =
            Making { run: &self.run, number, people: &self.people, who, sequence, clock: &*self.clock, rng: &self.ids };
        let event = making.event(kind)?;
        let body = padding::pad(event.body(), size);
        let event = event.with_body(body);
        let id = Some(event.id());
        let parcel = Parcel::Event(event);
        if !is_oversize {
            self.remember(number, kind, &parcel);
        }
        Ok(Made { parcel, kind, sort: Sort::Event, id, subject })
    }

    fn remember(&mut self, number: u64, kind: Kind, parcel: &Parcel) {
        if self.shares.duplicate == 0.0 {
            return;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((number, kind, parcel.clone()));
    }

    /// What it is about, and its number among those about the same.
    fn subject(&mut self, kind: Kind, who: usize) -> (Option<u32>, u32) {
        let place = match about(kind) {
            About::Alone => return (None, 1),
            About::Assignment => who,
            About::Submission => self.people.count() + who,
            About::Workflow => 2 * self.people.count() + self.people.app_of_all(who),
        };
        self.sequences[place] += 1;
        (u32::try_from(place).ok(), self.sequences[place])
    }

    fn poison(&self, number: u64, kind: Kind, who: usize) -> Parcel {
        let tenant = self.people.tenant(who).as_str().to_owned();
        let attributes =
            Attributes::from([("type".to_owned(), kind.event_type().to_string()), ("tenant".to_owned(), tenant)]);
        // It ends in the middle.
        let body =
            format!("{{\"specversion\":\"1.0\",\"correlationid\":\"{}\",\"data\":{{", self.run.correlation(number));
        Parcel::Poison { number, body: Bytes::from(body), attributes }
    }

    fn request(&self, number: u64, who: usize, size: usize) -> Parcel {
        let mut fields = Map::new();
        fields.insert("amount".into(), json!(number % 1000));
        fields.insert("reason".into(), json!("load test"));
        if size > 0 {
            fields.insert("padding".into(), json!(padding::text(size)));
        }
        Parcel::Request(Request {
            number,
            tenant: self.people.tenant(who).clone(),
            user: self.people.user(who).clone(),
            app: self.people.app(who).to_string(),
            fields,
        })
    }
}

fn event_of(parcel: &Parcel) -> Option<&Outgoing> {
    match parcel {
        Parcel::Event(event) | Parcel::Again(event) => Some(event),
        Parcel::Poison { .. } | Parcel::Request(_) => None,
    }
}

/// Randomness of a seed.
struct Seeded(Mutex<StdRng>);

impl Rng for Seeded {
    fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}
