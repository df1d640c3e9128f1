//! A system in memory that misbehaves on demand: it delays, loses, doubles, doubts, refuses, and answers late or never.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::{Depth, Filter, Subscriber};
use sendoff_events::{AnyEnvelope, BoxFuture, Clock, EventId, Rng, Timestamp};
use sendoff_load::{
    RunId, Via,
    target::{Accepted, Cleaned, Fate, Found, Parcel, Person, Seen, SendError, Target, TargetError, Usage},
};
use sendoff_tests::simulation::WorldClock;

/// What is said of a parcel by its number and a consumer.
pub(crate) type Of<T> = Box<dyn Fn(u64, &str) -> T + Send + Sync>;

/// What is done to one parcel. Numbers are those of the parcel's own event; one that is sent again has the number of the first.
pub(crate) struct Faults {
    /// How long the answer to a send takes.
    pub(crate) answer: Box<dyn Fn(u64) -> Duration + Send + Sync>,
    /// How the send goes: as it should where nothing is said.
    pub(crate) send: Box<dyn Fn(u64) -> Sending + Send + Sync>,
    /// What becomes of it at each consumer: `(number, consumer)`.
    pub(crate) fate: Of<End>,
    /// How long it takes until it is claimed, and how long until it is done.
    pub(crate) pace: Of<(Duration, Duration)>,
    /// Whether a repetition has its effect again.
    pub(crate) repeats: bool,
    /// What becomes of a repetition that has no effect, by the number of the first.
    pub(crate) again: fn(u64) -> Again,
    /// Whether sinks and consumers count.
    pub(crate) counts: bool,
    /// Whether events can be found by their numbers.
    pub(crate) finds: bool,
    /// How long after an event was made the system believes it to be on its way, where it doesn't know of it.
    pub(crate) believes: Duration,
    /// Poison that is lost in place of being dead-lettered: the first so many.
    pub(crate) lost_poison: u64,
    /// Poison that still waits at the end: the first so many of what isn't lost.
    pub(crate) waiting_poison: u64,
    /// Messages of others in each queue, by seconds since the beginning.
    pub(crate) others: fn(f64) -> u64,
    /// Resident bytes, by seconds since the beginning.
    pub(crate) memory: fn(f64) -> u64,
    /// Dollars a send.
    pub(crate) price: f64,
    /// How long the queues take to be measured once something was sent.
    pub(crate) measuring: Duration,
    /// Requests are answered by what another run has done an hour ago.
    pub(crate) answers_are_old: bool,
    /// What a reader has to know of the way in.
    pub(crate) remark: Option<&'static str>,
    /// Whether it says that it runs in this process.
    pub(crate) here: bool,
    /// How long it takes to say what became of events.
    pub(crate) looking: Duration,
    /// Whether it can't be asked, by seconds since the beginning.
    pub(crate) fails: fn(f64) -> bool,
}

/// How a send goes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sending {
    Accepted,
    Refused,
    /// Nobody answers, and it arrived.
    Unheard,
    /// Nobody answers, and it didn't arrive.
    Vanished,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Done { attempts: u32 },
    Dead,
    Doubt,
    Stuck,
    Lost,
}

/// What becomes of a repetition.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Again {
    Suppressed,
    Dead,
    Vanished,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            answer: Box::new(|_| Duration::from_millis(5)),
            send: Box::new(|_| Sending::Accepted),
            fate: Box::new(|_, _| End::Done { attempts: 1 }),
            pace: Box::new(|_, _| (Duration::from_millis(20), Duration::from_millis(30))),
            repeats: false,
            again: |_| Again::Suppressed,
            counts: true,
            finds: true,
            believes: Duration::ZERO,
            lost_poison: 0,
            waiting_poison: 0,
            others: |_| 0,
            memory: |_| 100 << 20,
            price: 0.0,
            measuring: Duration::ZERO,
            answers_are_old: false,
            remark: None,
            here: true,
            looking: Duration::ZERO,
            fails: |_| false,
        }
    }
}

pub(crate) const CONSUMERS: [&str; 2] = ["email", "webhook"];

pub(crate) struct Fake {
    clock: WorldClock,
    ids: Box<dyn Rng>,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    start: Option<Timestamp>,
    /// By event and consumer: the number, and when it arrived.
    deliveries: BTreeMap<(EventId, String), (u64, Timestamp)>,
    by_number: BTreeMap<u64, EventId>,
    sent_at: Vec<(Timestamp, usize)>,
    sends: u64,
    poison: u64,
    doubled: u64,
    /// How many repetitions each consumer has passed over.
    suppressed: u64,
    /// The events of repetitions that each consumer has dead-lettered.
    dead_again: Vec<EventId>,
    prepared: Vec<Person>,
    /// How often it was asked what became of events.
    looks: usize,
}

impl Fake {
    pub(crate) fn new(clock: WorldClock, ids: impl Rng + 'static, faults: Faults) -> Arc<Self> {
        Arc::new(Self { clock, ids: Box::new(ids), faults, state: Mutex::default() })
    }

    /// When parcels came, and how many at once.
    pub(crate) fn calls(&self) -> Vec<(Timestamp, usize)> {
        self.state.lock().unwrap().sent_at.clone()
    }

    /// Who was made before the run.
    pub(crate) fn prepared(&self) -> Vec<Person> {
        self.state.lock().unwrap().prepared.clone()
    }

    /// How often it was asked what became of events.
    pub(crate) fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// Whether it can be asked now.
    fn asked(&self) -> Result<(), TargetError> {
        match (self.faults.fails)(self.seconds()) {
            true => Err(TargetError::unreachable("asking a system in memory", "its credentials have expired")),
            false => Ok(()),
        }
    }

    /// The numbers of the events that arrived.
    pub(crate) fn arrived(&self) -> Vec<u64> {
        self.state.lock().unwrap().by_number.keys().copied().collect()
    }

    /// Every event that it knows of, with its number.
    pub(crate) fn events(&self) -> BTreeSet<(u64, EventId)> {
        self.state.lock().unwrap().deliveries.iter().map(|((id, _), (number, _))| (*number, *id)).collect()
    }

    /// Since the beginning.
    fn seconds(&self) -> f64 {
        let start = self.state.lock().unwrap().start;
        start.map_or(0.0, |start| self.clock.now().duration_since(start).as_secs_f64())
    }

    fn arrive(&self, number: u64, id: EventId, is_again: bool) {
        let mut state = self.state.lock().unwrap();
        if is_again && self.faults.repeats {
            state.doubled += CONSUMERS.len() as u64;
        } else if is_again {
            match (self.faults.again)(number) {
                Again::Suppressed => state.suppressed += 1,
                Again::Dead => state.dead_again.push(id),
                Again::Vanished => {}
            }
        }
        let now = if self.faults.answers_are_old { self.clock.now() - HOUR } else { self.clock.now() };
        for consumer in CONSUMERS {
            state.deliveries.entry((id, consumer.to_owned())).or_insert((number, now));
        }
        state.by_number.entry(number).or_insert(id);
    }

    fn one(&self, parcel: &Parcel) -> Result<Accepted, SendError> {
        let (number, id, is_again) = match parcel {
            Parcel::Event(event) | Parcel::Again(event) => {
                let envelope = AnyEnvelope::decode(event.body()).unwrap();
                let number = envelope.header.correlation.rsplit_once('/').unwrap().1.parse().unwrap();
                (number, event.id(), matches!(parcel, Parcel::Again(_)))
            }
            Parcel::Poison { .. } => {
                self.state.lock().unwrap().poison += 1;
                return Ok(Accepted::default());
            }
            Parcel::Request(request) => {
                let known = self.state.lock().unwrap().by_number.get(&request.number).copied();
                let is_new = known.is_none() || self.faults.repeats;
                let mut id = if is_new { EventId::generate(&self.clock, &*self.ids) } else { known.unwrap() };
                if self.faults.answers_are_old {
                    id = an_hour_older(id);
                }
                (request.number, id, false)
            }
        };
        match (self.faults.send)(number) {
            Sending::Accepted => {
                self.arrive(number, id, is_again);
                Ok(Accepted { events: vec![id] })
            }
            Sending::Refused => Err(SendError::Refused("it is full".into())),
            Sending::Unheard => {
                self.arrive(number, id, is_again);
                Err(SendError::Unknown("the line broke".into()))
            }
            Sending::Vanished => Err(SendError::Unknown("the line broke".into())),
        }
    }

    fn seen(&self, event: EventId, consumer: &str) -> Seen {
        let is_believed = self.clock.now() - self.faults.believes < made_at(event);
        let nothing = Seen {
            event,
            consumer: consumer.to_owned(),
            fate: if is_believed { Fate::InFlight } else { Fate::Missing },
            attempts: 0,
            claimed_at: None,
            updated_at: None,
        };
        let state = self.state.lock().unwrap();
        let Some((number, at)) = state.deliveries.get(&(event, consumer.to_owned())).copied() else { return nothing };
        let (wait, work) = (self.faults.pace)(number, consumer);
        let (claimed, done, now) = (at + wait, at + wait + work, self.clock.now());
        let seen = |fate, attempts| Seen { fate, attempts, ..nothing.clone() };
        let end = (self.faults.fate)(number, consumer);
        match end {
            End::Lost => nothing,
            _ if now < claimed => seen(Fate::InFlight, 0),
            _ if now < done || end == End::Stuck => {
                Seen { claimed_at: Some(claimed), updated_at: Some(claimed), ..seen(Fate::InFlight, 1) }
            }
            End::Done { attempts } => {
                Seen { claimed_at: Some(claimed), updated_at: Some(done), ..seen(Fate::Done, attempts) }
            }
            End::Dead => Seen { claimed_at: Some(claimed), updated_at: Some(done), ..seen(Fate::DeadLettered, 5) },
            End::Doubt => Seen { claimed_at: Some(claimed), updated_at: Some(done), ..seen(Fate::InDoubt, 1) },
            End::Stuck => unreachable!("it was dealt with above"),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// The first six bytes of an id are the milliseconds in which it was made.
fn millis(id: EventId) -> u64 {
    id.as_bytes()[..6].iter().fold(0_u64, |millis, byte| millis << 8 | u64::from(*byte))
}

fn made_at(id: EventId) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(millis(id)).unwrap()).unwrap()
}

fn an_hour_older(id: EventId) -> EventId {
    let mut bytes = *id.as_bytes();
    let older = millis(id) - u64::try_from(HOUR.as_millis()).unwrap();
    bytes[..6].copy_from_slice(&older.to_be_bytes()[2..]);
    EventId::from_bytes(bytes)
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Target for Fake {
    fn name(&self) -> String {
        "a system in memory".into()
    }

    fn is_here(&self) -> bool {
        self.faults.here
    }

    fn remark(&self, _: Via) -> Option<&'static str> {
        self.faults.remark
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>> {
        let filter =
            || Filter::event_types(["app.assigned", "app.unassigned", "submission.created", "submission.updated"]);
        ready(Ok(CONSUMERS.iter().map(|name| Subscriber { queue: (*name).into(), filter: Some(filter()) }).collect()))
    }

    fn ready<'a>(&'a self, _: &'a RunId, _: Via) -> BoxFuture<'a, Result<(), TargetError>> {
        ready(Ok(()))
    }

    fn prepare<'a>(&'a self, _: &'a RunId, people: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>> {
        let mut state = self.state.lock().unwrap();
        state.prepared = people.to_vec();
        state.start = Some(self.clock.now());
        ready(Ok(()))
    }

    fn send<'a>(&'a self, _: Via, parcels: &'a [Parcel]) -> BoxFuture<'a, Vec<Result<Accepted, SendError>>> {
        let number = {
            let mut state = self.state.lock().unwrap();
            state.sent_at.push((self.clock.now(), parcels.len()));
            state.sends += parcels.len() as u64;
            state.sent_at.len() as u64 - 1
        };
        Box::pin(async move {
            self.clock.sleep((self.faults.answer)(number)).await;
            parcels.iter().map(|parcel| self.one(parcel)).collect()
        })
    }

    fn find<'a>(&'a self, _: &'a RunId, numbers: &'a [u64]) -> BoxFuture<'a, Result<Option<Found>, TargetError>> {
        let state = self.state.lock().unwrap();
        let found = numbers.iter().filter_map(|number| Some((*number, *state.by_number.get(number)?))).collect();
        ready(Ok(self.faults.finds.then_some(found)))
    }

    fn look<'a>(&'a self, pairs: &'a [(EventId, String)]) -> BoxFuture<'a, Result<Vec<Seen>, TargetError>> {
        assert!(pairs.len() <= 500, "{} are asked for at once", pairs.len());
        self.state.lock().unwrap().looks += 1;
        Box::pin(async move {
            if !self.faults.looking.is_zero() {
                self.clock.sleep(self.faults.looking).await;
            }
            self.asked()?;
            // In another order than they were asked for: that is allowed.
            Ok(pairs.iter().rev().map(|(event, consumer)| self.seen(*event, consumer)).collect())
        })
    }

    fn dead_poison<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, u64>, TargetError>> {
        let poison = self.state.lock().unwrap().poison;
        let dead = poison.saturating_sub(self.faults.lost_poison + self.faults.waiting_poison);
        ready(Ok(CONSUMERS.iter().map(|name| ((*name).into(), dead)).collect()))
    }

    fn doubled<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        let doubled = self.state.lock().unwrap().doubled / CONSUMERS.len() as u64;
        let by_consumer = CONSUMERS.iter().map(|name| ((*name).into(), doubled)).collect();
        ready(Ok(self.faults.counts.then_some(by_consumer)))
    }

    fn dead_events<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>> {
        let state = self.state.lock().unwrap();
        let dead = |consumer: &str| {
            let of = |(_, to): &&(EventId, String)| to == consumer;
            let is_dead = |(_, (number, _)): &(&(EventId, String), &(u64, Timestamp))| {
                (self.faults.fate)(*number, consumer) == End::Dead
            };
            let own = state.deliveries.iter().filter(|(key, _)| of(key)).filter(is_dead).map(|((id, _), _)| *id);
            own.chain(state.dead_again.iter().copied()).collect()
        };
        ready(Ok(CONSUMERS.iter().map(|name| ((*name).into(), dead(name))).collect()))
    }

    fn suppressed<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<Option<BTreeMap<String, u64>>, TargetError>> {
        let suppressed = self.state.lock().unwrap().suppressed;
        let by_consumer = CONSUMERS.iter().map(|name| ((*name).into(), suppressed)).collect();
        ready(Ok(self.faults.counts.then_some(by_consumer)))
    }

    fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>> {
        let pairs: Vec<_> = self.state.lock().unwrap().deliveries.keys().cloned().collect();
        let poison = self.state.lock().unwrap().poison.saturating_sub(self.faults.lost_poison);
        let standing = poison.min(self.faults.waiting_poison) + (self.faults.others)(self.seconds());
        let full = Depth { visible: standing, ..Depth::default() };
        let mut depths: BTreeMap<String, Depth> = CONSUMERS.iter().map(|n| ((*n).into(), full)).collect();
        for (event, consumer) in pairs {
            if self.seen(event, &consumer).fate == Fate::InFlight {
                depths.entry(consumer).or_default().visible += 1;
            }
        }
        let is_slow = self.state.lock().unwrap().sends > 0 && !self.faults.measuring.is_zero();
        Box::pin(async move {
            if is_slow {
                self.clock.sleep(self.faults.measuring).await;
            }
            self.asked()?;
            Ok(depths)
        })
    }

    fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>> {
        let sends = self.state.lock().unwrap().sends;
        let cost = (self.faults.price > 0.0).then_some(self.faults.price * sends as f64);
        let resident = Some((self.faults.memory)(self.seconds()));
        ready(self.asked().map(|()| Usage { resident, stored: Some(1 << 20), cost }))
    }

    fn clean<'a>(&'a self, _: &'a RunId, _: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>> {
        ready(Ok(Cleaned::new()))
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>> {
        ready(Ok(()))
    }
}
