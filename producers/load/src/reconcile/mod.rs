//! What became of every event: sent = done + suppressed duplicates + dead-lettered + in doubt + in flight, and nothing is lost.

mod account;
mod latency;
mod ledger;
mod order;
mod pass;
mod record;
mod unanswered;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{self, Either},
    pin_mut, select,
};
use sendoff_consumers::Stop;
use sendoff_events::{Clock, EventId, Timestamp};

pub use account::{Account, Evidence, Sending, Suppressed, Way};
pub use latency::{Latencies, Of, Window};
pub use ledger::{Counts, Ledger, Tally};
pub use pass::{Census, Standing};

use crate::{
    RunId, Via,
    slo::Phase,
    target::{Fate, Target, TargetError},
};
use ledger::since;
use record::State;
use unanswered::Unanswered;

/// How long the ledger is left alone between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How often the system is asked at the end, when it can't be, before what is known has to do.
const PATIENCE: u32 = 5;

/// How long the last look may take when nobody wants to wait any more.
const LAST: Duration = Duration::from_secs(5);

/// Follows the events of a run to their ends.
pub struct Reconciler {
    /// The system.
    pub target: Arc<dyn Target>,
    /// The run.
    pub run: RunId,
    /// What was sent.
    pub ledger: Arc<Mutex<Ledger>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way in.
    pub via: Via,
    /// How many messages stood in each consumer's queue before the run.
    pub before: BTreeMap<String, u64>,
}

/// What is known at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// What the system says.
    pub evidence: Evidence,
    /// How the sending went.
    pub sending: Sending,
    /// By consumer.
    pub accounts: Vec<Account>,
    /// When the last delivery came to its end; `None` if not all did.
    pub drained_at: Option<Timestamp>,
    /// Why the system said nothing at the end: then what the ledger knows is all.
    pub unasked: Option<Unasked>,
}

/// Why a system said nothing at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// It couldn't be asked.
    #[error("the system couldn't be asked: {0}")]
    Failed(TargetError),
    /// Nobody wanted to wait for its answers.
    #[error("nobody waited for the last look at the system")]
    CutShort,
}

/// What comes of something, unless something else comes first.
async fn unless<T>(first: impl Future<Output = T>, other: impl Future<Output = ()>) -> Option<T> {
    match future::select(pin!(first), pin!(other)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

impl Reconciler {
    /// The ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        pass::lock(&self.ledger)
    }

    /// Looks at what was sent `behind` ago and earlier, again and again, until everything was sent. What can't be asked now is asked
    /// later, unless nobody wants to wait any more.
    pub async fn follow(&self, behind: Duration, over: Stop, enough: Stop) {
        let over = over.requested().fuse();
        pin_mut!(over);
        let mut first = 0;
        loop {
            select! {
                () = over => return,
                () = self.clock.sleep(PAUSE).fuse() => {}
            }
            let start = self.ledger().start;
            let before = Duration::try_from(self.clock.now().duration_since(start)).unwrap_or_default();
            let before = before.saturating_sub(behind);
            // A pass goes to its end also when the sending is over: what was asked isn't asked again.
            let passing = pass::pass(&*self.target, &self.ledger, &mut first, before, false, self.apart());
            match unless(passing, enough.requested()).await {
                Some(Ok(_)) => {}
                Some(Err(error)) => tracing::warn!(error = %error, "the ledger can't be looked at now"),
                None => return over.await,
            }
        }
    }

    /// By queues, a parcel that wasn't answered may have got to some of its consumers only.
    fn apart(&self) -> bool {
        self.via == Via::Queue
    }

    /// Looks until nothing is in flight any more, or until the deadline, or until nobody wants to wait. Where the system can't be
    /// asked then, it gives what the ledger knows.
    pub async fn drain(&self, deadline: Timestamp, enough: Stop) -> Settled {
        {
            let mut ledger = self.ledger();
            ledger.give_up();
            ledger.settle_repeats();
        }
        let (mut first, mut failures) = (0, 0);
        loop {
            let left = Duration::try_from(deadline.duration_since(self.clock.now())).unwrap_or_default();
            let is_enough = enough.requested().now_or_never().is_some();
            let is_last = is_enough || left.is_zero();
            let end = async {
                if is_last {
                    enough.after(self.clock.clone(), LAST).requested().await;
                } else {
                    unless(self.clock.sleep(left), enough.requested()).await;
                }
            };
            match unless(self.look(&mut first, is_last), end).await {
                Some(Ok(evidence)) => {
                    let settled = self.settled(evidence);
                    if settled.drained_at.is_some() || is_last {
                        return settled;
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %error, "the ledger can't be looked at now");
                    failures += u32::from(is_last);
                    if is_enough || failures >= PATIENCE {
                        return self.unasked(Unasked::Failed(error));
                    }
                }
                None if is_last => return self.unasked(Unasked::CutShort),
                None => {}
            }
            let pause = if is_last { PAUSE } else { PAUSE.min(left).max(Duration::from_millis(10)) };
            unless(self.clock.sleep(pause), enough.requested()).await;
        }
    }

    /// What the ledger knows by itself.
    fn unasked(&self, why: Unasked) -> Settled {
        let evidence = self.ledger().unasked(self.via);
        Settled { unasked: Some(why), ..self.settled(evidence) }
    }

    async fn look(&self, first: &mut usize, thorough: bool) -> Result<Evidence, TargetError> {
        let Unanswered { unknown, may_come } = unanswered::find(&*self.target, &self.run, &self.ledger).await?;
        let census = pass::pass(&*self.target, &self.ledger, first, Duration::MAX, thorough, self.apart()).await?;
        let mut evidence = Evidence { census, unknown, may_come, ..Evidence::default() };
        // What is in flight anyway can wait for the rest.
        if !thorough && (!evidence.census.is_complete || evidence.census.open() > 0) {
            return Ok(evidence);
        }
        let depths = self.target.depths().await?;
        for (consumer, depth) in depths {
            let before = self.before.get(&consumer).copied().unwrap_or_default();
            let now = depth.visible + depth.in_flight + depth.delayed;
            evidence.waiting.insert(consumer.clone(), now.saturating_sub(before));
            evidence.queued.insert(consumer, now);
        }
        if self.ledger().sent_sort(record::Sort::Poison) {
            evidence.dead_poison = self.target.dead_poison(&self.run).await?;
        }
        evidence.doubled = self.target.doubled(&self.run).await?;
        if self.via == Via::Api {
            evidence.suppressed = Suppressed::Answered;
        } else if self.ledger().sent_sort(record::Sort::Again) {
            evidence.dead_again = self.dead_again().await?;
            let counted = self.target.suppressed(&self.run).await?;
            evidence.suppressed = counted.map_or(Suppressed::Unseen, Suppressed::Counted);
        }
        Ok(evidence)
    }

    /// Repetitions among the dead letters: one message there is the event's own, unless the event came to another end.
    async fn dead_again(&self) -> Result<BTreeMap<String, u64>, TargetError> {
        let mut letters: BTreeMap<(EventId, String), u64> = BTreeMap::new();
        for (consumer, events) in self.target.dead_events(&self.run).await? {
            for event in events {
                *letters.entry((event, consumer.clone())).or_default() += 1;
            }
        }
        let mut again = BTreeMap::new();
        let pairs: Vec<(EventId, String)> = letters.keys().cloned().collect();
        for pairs in pairs.chunks(pass::BATCH) {
            for seen in self.target.look(pairs).await? {
                let own = u64::from(matches!(seen.fate, Fate::DeadLettered | Fate::InDoubt));
                let all = letters.get(&(seen.event, seen.consumer.clone())).copied().unwrap_or_default();
                *again.entry(seen.consumer).or_default() += all.saturating_sub(own);
            }
        }
        Ok(again)
    }

    fn settled(&self, evidence: Evidence) -> Settled {
        let ledger = self.ledger();
        let sending = ledger.sending(&evidence);
        let accounts = ledger.accounts(&evidence);
        let is_over = evidence.census.is_complete
            && !evidence.may_come
            && accounts.iter().all(|a| a.in_flight == 0 && a.lost == 0);
        let drained_at = is_over.then(|| ledger.last_end.unwrap_or_else(|| self.clock.now()));
        Settled { evidence, sending, accounts, drained_at, unasked: None }
    }
}

impl Ledger {
    fn sent_sort(&self, sort: record::Sort) -> bool {
        self.records.iter().any(|record| record.state.sort() == sort)
    }

    /// Counts what isn't at the end of a phase with the time that it took so far, so that a percentile isn't better because the
    /// slowest are missing. A phase that hasn't begun isn't counted, nor is a delivery that may never have been sent.
    pub fn cut_off(&mut self, now: Timestamp, census: &Census) {
        let claimed: HashMap<(u64, usize), Timestamp> =
            census.claimed.iter().map(|(number, consumer, at)| ((*number, *consumer), *at)).collect();
        let absent: HashSet<&(u64, usize)> = census.absent.iter().collect();
        for place in 0..self.records.len() {
            let record = self.records[place];
            let (due, intended) = (record.due(), self.start + record.due());
            if due < self.warm_up {
                continue;
            }
            if record.ack().is_none() && !matches!(record.state, State::Refused(_)) {
                self.latencies.cut_off(Phase::Publish, (record.kind, None), due, since(intended, now));
            }
            if !record.state.arrived() {
                continue;
            }
            for consumer in pass::bits(record.pending) {
                if absent.contains(&(place as u64, consumer)) {
                    continue;
                }
                let of = (record.kind, Some(consumer));
                self.latencies.cut_off(Phase::E2e, of, due, since(intended, now));
                match (claimed.get(&(place as u64, consumer)), record.ack()) {
                    (Some(at), _) => {
                        self.claimed(&record, consumer, Some(*at));
                        self.latencies.cut_off(Phase::Handler, of, due, since(*at, now));
                    }
                    (None, Some(ack)) => self.latencies.cut_off(Phase::Queue, of, due, since(intended + ack, now)),
                    (None, None) => {}
                }
            }
        }
    }
}
