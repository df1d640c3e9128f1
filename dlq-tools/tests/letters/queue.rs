//! A dead-letter queue where every look is a lease, as on SQS, which counts what is done to it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use sendoff_consumers::{
    Attributes, Backlog, DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, Destination, IdempotencyKey,
    InboxError, InboxRecord, OutgoingLetter, QueueError, Receipt, Subscriber, TakenLetter,
};
use sendoff_events::{BoxFuture, Clock, Timestamp};

use super::letter;

pub(crate) struct Leasing {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: VecDeque<Entry>,
    lease: u64,
    /// More than so many leases at once are refused.
    pub(crate) cap: Option<usize>,
    /// A look gives at most so many.
    pub(crate) most: usize,
    /// This many looks give nothing although there are letters.
    pub(crate) shy: usize,
    /// After so many looks the queue can't be reached.
    pub(crate) looks_left: Option<usize>,
    /// So many calls that give back aren't answered.
    pub(crate) unanswered: usize,
    /// The most that were leased at once.
    pub(crate) peak: usize,
    /// Whether the next looks give letters again that are leased.
    pub(crate) repeats: bool,
    pub(crate) untouchable: Option<String>,
    pub(crate) looks: usize,
}

pub(crate) struct Entry {
    pub(crate) letter: DeadLetter,
    lease: u64,
    pub(crate) until: Timestamp,
}

impl Leasing {
    pub(crate) fn with(count: usize, clock: Arc<dyn Clock>) -> Self {
        let entry = |n| {
            let letter =
                DeadLetter { receive_count: 1, ..letter(&format!("m-{n:06}"), format!("body {n}"), Attributes::new()) };
            Entry { letter, lease: 0, until: Timestamp::MIN }
        };
        let state = State { entries: (0..count).map(entry).collect(), most: usize::MAX, ..State::default() };
        Self { clock, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many are leased now.
    pub(crate) fn held(&self) -> usize {
        let now = self.clock.now();
        self.state().entries.iter().filter(|entry| entry.until > now).count()
    }

    /// How often its letters were received in all, beyond the once from before.
    pub(crate) fn receives(&self) -> u64 {
        self.state().entries.iter().map(|entry| u64::from(entry.letter.receive_count - 1)).sum()
    }

    pub(crate) fn queue(&self) -> DeadLetterQueue {
        let now = self.clock.now();
        let state = self.state();
        let in_flight = state.entries.iter().filter(|entry| entry.until > now).count();
        DeadLetterQueue {
            waiting: (state.entries.len() - in_flight) as u64,
            in_flight: in_flight as u64,
            retention: Some(Duration::from_secs(14 * 86_400)),
            untouchable: state.untouchable.clone(),
            ..super::queue_of("email-dlq", sendoff_consumers::DeadLetterKind::Consumer("email".into()))
        }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl DeadLetters for Leasing {
    fn deployment(&self) -> String {
        "a queue that leases".into()
    }

    fn queues(&self, _since: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        ready(Ok(vec![self.queue()]))
    }

    fn read<'a>(
        &'a self,
        _queue: &'a str,
        _after: Option<&'a str>,
        _max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        ready(Ok(None))
    }

    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        let now = self.clock.now();
        let mut state = self.state();
        state.looks += 1;
        if let Some(left) = &mut state.looks_left {
            if *left == 0 {
                return ready(Err(DeadLettersError::Unavailable("the line is cut".into())));
            }
            *left -= 1;
        }
        if state.shy > 0 {
            state.shy -= 1;
            return ready(Ok(Vec::new()));
        }
        let held = state.entries.iter().filter(|entry| entry.until > now).count();
        let free = state.cap.map_or(usize::MAX, |cap| cap.saturating_sub(held));
        if free == 0 {
            return ready(Err(DeadLettersError::TooManyLeased(queue.into())));
        }
        let (max, repeats) = (max.min(state.most).min(free), state.repeats);
        let mut taken = Vec::new();
        let mut lease = state.lease;
        for entry in &mut state.entries {
            if taken.len() < max && (repeats || entry.until <= now) {
                lease += 1;
                entry.letter.receive_count += 1;
                (entry.lease, entry.until) = (lease, now.checked_add(hold).unwrap());
                let receipt = Receipt::new(format!("{}#{lease}", entry.letter.message_id));
                taken.push(TakenLetter { receipt, letter: entry.letter.clone() });
            }
        }
        state.lease = lease;
        state.peak = state.peak.max(held + taken.len());
        // Round and round, so that what was given back comes last.
        let count = taken.len();
        if state.cap.is_some() && count > 0 {
            let names: Vec<_> = taken.iter().map(|taken| taken.letter.message_id.clone()).collect();
            let (mut last, mut first): (Vec<_>, Vec<_>) =
                state.entries.drain(..).partition(|entry| names.contains(&entry.letter.message_id));
            first.append(&mut last);
            state.entries = first.into();
        }
        ready(Ok(taken))
    }

    fn take_these<'a>(
        &'a self,
        _queue: &'a str,
        _message_ids: &'a [String],
        _hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        ready(Ok(None))
    }

    fn hold<'a>(
        &'a self,
        _queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let now = self.clock.now();
        let mut state = self.state();
        if hold.is_zero() && state.unanswered > 0 {
            state.unanswered -= 1;
            return ready(vec![Err(QueueError::Unavailable("no answer".into())); receipts.len()]);
        }
        let mut by_lease: std::collections::HashMap<u64, &mut Entry> =
            state.entries.iter_mut().map(|entry| (entry.lease, entry)).collect();
        let results = receipts.iter().map(|receipt| {
            let lease: u64 = receipt.as_str().split_once('#').unwrap().1.parse().unwrap();
            match by_lease.get_mut(&lease) {
                Some(entry) if entry.until > now => {
                    entry.until = now.checked_add(hold).unwrap();
                    Ok(())
                }
                _ => Err(QueueError::Stale),
            }
        });
        let results = results.collect();
        ready(results)
    }

    fn delete<'a>(&'a self, _queue: &'a str, _receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        unreachable!("a look deletes nothing")
    }

    fn send<'a>(
        &'a self,
        _to: &'a Destination,
        _letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        unreachable!("a look sends nothing")
    }

    fn create<'a>(&'a self, _queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        unreachable!("a look makes nothing")
    }

    fn backlog<'a>(&'a self, _queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        unreachable!("a look asks for no backlog")
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        unreachable!("a look asks for no subscribers")
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        ready(Ok(vec![None; keys.len()]))
    }
}
