//! A round: once through the letters that are still to be sent, several batches at a time.

use std::{collections::VecDeque, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use sendoff_events::BoxFuture;

use super::{
    Ended, RunError, Settings,
    batch::{Batch, Fetch},
    engine::Engine,
    ladder::Loop,
    tick::TICK,
};

/// After how many takes in a row that gave nothing new a queue counts as seen.
const DRY: usize = 20;
/// How many calls in a row may fail.
const TRIES: usize = 5;
/// How many batches in a row may end without anybody knowing whether they were sent.
const UNKNOWNS: usize = 3;

type Landed = (usize, Result<Batch, RunError>);
type Flight<'f> = FuturesUnordered<BoxFuture<'f, Landed>>;

/// How a round stands.
#[derive(Default)]
struct Round {
    /// Letters that weren't to be had.
    missing: Vec<u32>,
    /// How many takes in a row gave nothing new.
    dry: usize,
    /// Why nothing new is begun any more.
    stop: Option<Ended>,
    /// The same, when it is an error.
    failed: Option<RunError>,
}

impl Round {
    const fn goes_on(&self) -> bool {
        self.stop.is_none() && self.failed.is_none()
    }
}

impl Engine<'_> {
    /// Goes once through `todo`, or through the queue. Gives the letters that weren't to be had.
    pub(super) async fn round(
        &self,
        own: &mut Loop,
        quota: &mut u64,
        can_pick: bool,
        todo: &mut VecDeque<u32>,
    ) -> Result<Result<Vec<u32>, Ended>, RunError> {
        let Settings { batch, in_flight, .. } = self.run.settings;
        if !can_pick {
            // All of them are to come once in this round.
            self.give_back().await;
            self.shared().seen.clear();
        }
        let mut flight: Flight<'_> = FuturesUnordered::new();
        let mut round = Round::default();
        loop {
            if round.goes_on() {
                // What is under way is finished, whatever comes up here.
                match self.tick(own).await {
                    Ok(stop) => round.stop = stop,
                    Err(error) => round.failed = Some(error),
                }
            }
            let dry = round.dry;
            let more = |flight: &Flight<'_>| if can_pick { !todo.is_empty() } else { dry + flight.len() < DRY };
            if round.goes_on() && !own.waits() && *quota > 0 && more(&flight) && flight.len() < in_flight {
                let wait = own.pace.wait(self.now());
                if wait.is_zero() {
                    let count = own.pace.most(batch).min(usize::try_from(*quota).unwrap_or(usize::MAX));
                    let fetch = if can_pick {
                        Fetch::These(todo.drain(..count.min(todo.len())).collect())
                    } else {
                        Fetch::Any(count)
                    };
                    let count = fetch.count();
                    *quota -= count as u64;
                    own.pace.pay(count, self.now());
                    flight.push(self.batch(fetch).map(move |done| (count, done)).boxed());
                } else if flight.is_empty() {
                    self.run.clock.sleep(wait.min(TICK)).await;
                } else if let Some(landed) = self.next(&mut flight, wait.min(TICK)).await {
                    round.landed(own, quota, landed);
                }
                continue;
            }
            if let Some(landed) = flight.next().await {
                round.landed(own, quota, landed);
                self.keep_strangers().await;
                continue;
            }
            // Nothing is under way any more.
            if let Some(error) = round.failed {
                return Err(error);
            }
            if let Some(ended) = round.stop {
                return Ok(Err(ended));
            }
            if own.waits() && *quota > 0 && more(&flight) {
                if let Some(ended) = self.idle(own, TICK).await? {
                    return Ok(Err(ended));
                }
                continue;
            }
            if !can_pick && *quota > 0 {
                round.missing = self.open().into();
            }
            return Ok(Ok(round.missing));
        }
    }

    async fn next<'f>(&self, flight: &mut Flight<'f>, at_most: Duration) -> Option<Landed> {
        match select(flight.next(), self.run.clock.sleep(at_most)).await {
            Either::Left((landed, _)) => landed,
            Either::Right(_) => None,
        }
    }
}

impl Round {
    /// Takes in what became of a batch.
    fn landed(&mut self, own: &mut Loop, quota: &mut u64, (count, done): Landed) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.failed.get_or_insert(error);
                return;
            }
        };
        let unused = count.saturating_sub(done.used);
        *quota = quota.saturating_add(unused as u64);
        own.pace.refund(unused);
        self.dry = if done.fresh > 0 { 0 } else { self.dry + 1 };
        self.missing.extend(done.missing);
        if done.used > 0 {
            own.missed_since = None;
        }
        if let Some(why) = done.unreachable {
            own.failures += 1;
            if own.failures >= TRIES {
                self.stop.get_or_insert(Ended::Paused { why, unreachable: true });
            }
        } else {
            own.failures = 0;
        }
        match done.deleted {
            Some(Ok(())) => own.undeleted = 0,
            Some(Err(why)) => {
                own.undeleted += 1;
                if own.undeleted >= TRIES {
                    let why = format!("what was sent can't be deleted, {TRIES} times in a row: {why}");
                    self.stop.get_or_insert(Ended::Paused { why, unreachable: false });
                }
            }
            None => {}
        }
        match done.unknown {
            Some(why) if done.sent == 0 => {
                own.unknowns += 1;
                if own.unknowns >= UNKNOWNS {
                    let why = format!("whether letters were sent is unknown, {UNKNOWNS} times in a row: {why}");
                    self.stop.get_or_insert(Ended::Paused { why, unreachable: true });
                }
            }
            _ if done.sent > 0 => own.unknowns = 0,
            _ => {}
        }
    }
}
