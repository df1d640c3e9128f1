//! Sends each parcel at its intended moment, however slow the system is: an open loop. Nothing is skipped. What is due in the same
//! millisecond goes in one call.

mod health;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{Either, select},
    pin_mut,
    stream::FuturesUnordered,
};
use sendoff_consumers::Stop;
use sendoff_events::{BoxFuture, Clock, Timestamp};

pub use health::Health;
use health::Lateness;

use crate::{
    Via,
    arrivals::Arrivals,
    guards::{Halt, Reason},
    payload::Payloads,
    reconcile::Ledger,
    scenario::Scenario,
    target::{Accepted, Parcel, SendError},
};

/// Carries parcels to the system. Gives one answer for each, and when they came. The future belongs to nobody: it may run on another
/// thread.
pub type Courier = Arc<dyn Fn(Vec<Parcel>) -> BoxFuture<'static, Answers> + Send + Sync>;

/// When the answers to a call came, and the answers, one for each parcel.
pub type Answers = (Timestamp, Vec<Result<Accepted, SendError>>);

/// The shortest wait: timers are no better.
const TICK: Duration = Duration::from_millis(1);

/// Sends the parcels of a run.
pub struct Generator {
    /// When it begins.
    pub start: Timestamp,
    /// When parcels are due.
    pub arrivals: Arrivals,
    /// The parcels.
    pub payloads: Payloads,
    /// Who carries them.
    pub courier: Courier,
    /// What was sent.
    pub ledger: Arc<Mutex<Ledger>>,
    /// Ends it early.
    pub halt: Arc<Halt>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long answers are waited for when everything was sent.
    pub patience: Duration,
    /// Ends that waiting.
    pub enough: Stop,
    /// What it keeps to.
    pub limits: Limits,
}

/// What a generator keeps to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many parcels go in one call at most.
    pub batch: usize,
    /// After how long a parcel is late.
    pub late_after: Duration,
    /// The largest share of late ones.
    pub late_share: f64,
    /// The most parcels.
    pub events: u64,
    /// The most parcels on their way in at once.
    pub outstanding: usize,
}

impl Limits {
    /// Those of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        // A request is one call of its own; every other way takes ten in one, as SNS and SQS do.
        let batch = if scenario.via == Via::Api { 1 } else { 10 };
        Self {
            batch,
            late_after: scenario.generator.late_after,
            late_share: scenario.generator.late_share,
            events: scenario.guards.max_events,
            outstanding: scenario.guards.max_outstanding,
        }
    }
}

/// What a call brought: the number of its first parcel, how many it had, and the answers.
type Answer = (u64, usize, Answers);

impl Generator {
    /// Sends everything, and waits for the answers. Gives how well it kept to its moments.
    pub async fn run(mut self) -> Health {
        let mut lateness = Lateness::new(self.limits.late_after, self.limits.late_share);
        let mut calls: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
        let mut outstanding = 0_usize;
        let mut number = 0_u64;
        let stop = self.halt.stop().requested().fuse();
        pin_mut!(stop);
        let mut next = self.arrivals.next();
        while let Some(due) = next {
            while let Some(Some(answer)) = calls.next().now_or_never() {
                outstanding -= self.take(answer);
            }
            if (&mut stop).now_or_never().is_some() {
                break;
            }
            let moment = self.start.saturating_add(due).unwrap_or(Timestamp::MAX);
            let wait = Duration::try_from(moment.duration_since(self.clock.now())).unwrap_or_default();
            if !wait.is_zero() {
                let sleep = self.clock.sleep(wait.max(TICK));
                let woken = futures::future::select(sleep, &mut stop);
                match select(woken, calls.next()).await {
                    Either::Left((Either::Right(_), _)) => break,
                    Either::Right((Some(answer), _)) => outstanding -= self.take(answer),
                    Either::Right((None, woken)) => {
                        if matches!(woken.await, Either::Right(_)) {
                            break;
                        }
                    }
                    Either::Left((Either::Left(_), _)) => {}
                }
                continue;
            }
            let batch = match self.batch(number, due, &mut next, &mut lateness) {
                Ok(batch) => batch,
                Err(why) => {
                    self.halt.halt(Reason::Payload(why));
                    break;
                }
            };
            let count = batch.len();
            outstanding += count;
            lateness.called(outstanding);
            calls.push(self.call(number, batch));
            number += count as u64;
            if number >= self.limits.events && next.is_some() {
                self.halt.halt(Reason::Events(self.limits.events));
            }
            if outstanding > self.limits.outstanding {
                self.halt.halt(Reason::Outstanding(self.limits.outstanding));
            }
        }
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).sending_ended(self.clock.now());
        let enough = pin!(self.enough.requested());
        let mut enough = select(self.clock.sleep(self.patience), enough);
        while !calls.is_empty() {
            match select(&mut enough, calls.next()).await {
                Either::Right((Some(answer), _)) => drop(self.take(answer)),
                Either::Right((None, _)) | Either::Left(_) => break,
            }
        }
        lateness.health()
    }

    /// What is due by now, as much as goes in one call. `next` moves on.
    fn batch(
        &mut self,
        number: u64,
        due: Duration,
        next: &mut Option<Duration>,
        lateness: &mut Lateness,
    ) -> Result<Vec<Parcel>, String> {
        let mut batch = Vec::with_capacity(self.limits.batch);
        let mut made = Vec::with_capacity(self.limits.batch);
        let now = Duration::try_from(self.clock.now().duration_since(self.start)).unwrap_or_default();
        let mut due = due;
        loop {
            let parcel = self.payloads.make(number + made.len() as u64).map_err(|error| error.to_string())?;
            made.push((due, parcel));
            *next = self.arrivals.next();
            let left = self.limits.events.saturating_sub(number + made.len() as u64);
            match *next {
                Some(following) if following <= now && made.len() < self.limits.batch && left > 0 => due = following,
                _ => break,
            }
        }
        // Making them took time too.
        let handed_over = Duration::try_from(self.clock.now().duration_since(self.start)).unwrap_or_default();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for (due, made) in made {
            lateness.handed_over(handed_over.saturating_sub(due));
            ledger.sent(due, &made);
            batch.push(made.parcel);
        }
        Ok(batch)
    }

    fn call(&self, number: u64, batch: Vec<Parcel>) -> BoxFuture<'static, Answer> {
        let count = batch.len();
        (self.courier)(batch).map(move |answers| (number, count, answers)).boxed()
    }

    /// Gives how many parcels were answered.
    fn take(&self, (number, count, (at, answers)): Answer) -> usize {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, answer) in answers.into_iter().enumerate() {
            ledger.answered(number + place as u64, at, answer);
        }
        count
    }
}
