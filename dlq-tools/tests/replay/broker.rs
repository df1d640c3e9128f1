//! A dead-letter queue in a simulated world: requests get lost, arrive late, or lose their answers, and one entry of a batch may
//! fail alone.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use sendoff_consumers::{
    Backlog, Claim, Claimed, DeadLetter, DeadLetterKind, DeadLetterQueue, DeadLetters, DeadLettersError, Destination,
    Fence, IdempotencyKey, Inbox, InboxError, InboxRecord, OutgoingLetter, QueueError, Receipt, Status, Steps,
    Subscriber, TakenLetter,
};
use sendoff_events::{BoxFuture, Clock, EventId, Rng, Timestamp};
use sendoff_tests::simulation::{Network, WorldClock, WorldRng};

/// How long ago a letter was leased that comes once more.
const JUST_NOW: Range<Duration> = Duration::from_millis(30)..Duration::from_millis(100);

/// A message that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) by: usize,
    pub(super) of: String,
    pub(super) body: bytes::Bytes,
}

pub(super) struct Stored {
    letter: DeadLetter,
    leased_at: Timestamp,
    /// Whether it came once more already under its lease.
    has_come_again: bool,
    visible_at: Timestamp,
    lease: u64,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) letters: BTreeMap<String, Stored>,
    pub(super) sent: Vec<Sent>,
    /// Whether it deletes nothing.
    pub(super) refuses_deletes: bool,
    /// How often it gave out a letter that somebody held.
    pub(super) repeated: usize,
    handled: HashSet<EventId>,
    leases: u64,
}

/// One process's way to the queue.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) kept: Arc<Mutex<Kept>>,
    pub(super) network: Arc<Network>,
    pub(super) clock: WorldClock,
    pub(super) rng: WorldRng,
    /// Whose it is.
    pub(super) by: usize,
    /// Whether letters can be read and asked for by their ids.
    pub(super) can_pick: bool,
    /// How often, per mille, an entry fails alone.
    pub(super) entry_faults: u64,
    /// A planted mistake: whoever sends a letter has deleted it before.
    pub(super) deletes_first: bool,
    /// Whether it gives out a letter once more that was leased just now, as SQS may, and then takes long to send.
    pub(super) repeats: bool,
}

impl Broker {
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(super) fn put(&self, letter: DeadLetter) {
        let (leased_at, visible_at) = (Timestamp::MIN, Timestamp::MIN);
        let stored = Stored { letter, leased_at, has_come_again: false, visible_at, lease: 0 };
        self.kept().letters.insert(stored.letter.message_id.clone(), stored);
    }

    /// How many letters nobody holds.
    pub(super) fn free(&self) -> usize {
        let now = self.clock.now();
        self.kept().letters.values().filter(|stored| stored.visible_at <= now).count()
    }

    /// Somebody else holds this letter until then.
    pub(super) fn hide(&self, id: &str, until: Timestamp) {
        self.kept().letters.get_mut(id).unwrap().visible_at = until;
    }

    /// Whether the letter is there, and nobody holds it.
    pub(super) fn is_free(&self, id: &str) -> bool {
        let now = self.clock.now();
        self.kept().letters.get(id).is_some_and(|stored| stored.visible_at <= now)
    }

    fn fails(&self) -> bool {
        self.network.happens(self.entry_faults)
    }

    fn lease(&self, wanted: impl Fn(&str) -> bool, max: usize, hold: Duration) -> Vec<TakenLetter> {
        let now = self.clock.now();
        let mut kept = self.kept();
        let Kept { letters, leases, repeated, .. } = &mut *kept;
        // By then the first answer has arrived, and nothing of it is sent yet.
        let repeats = now - JUST_NOW.end..now - JUST_NOW.start;
        let comes_again =
            |stored: &Stored| self.repeats && !stored.has_come_again && repeats.contains(&stored.leased_at);
        let mut free: Vec<&mut Stored> = letters
            .values_mut()
            .filter(|stored| (stored.visible_at <= now || comes_again(stored)) && wanted(&stored.letter.message_id))
            .collect();
        // A broker gives them in no certain order.
        if !free.is_empty() {
            let first = (self.rng.next_u64() % free.len() as u64) as usize;
            free.rotate_left(first);
        }
        free.into_iter()
            .take(max)
            .map(|stored| {
                *leases += 1;
                stored.has_come_again = stored.visible_at > now;
                *repeated += usize::from(stored.has_come_again);
                stored.lease = *leases;
                stored.leased_at = now;
                stored.visible_at = now + hold;
                stored.letter.receive_count += 1;
                let receipt = Receipt::new(format!("{}/{}", stored.letter.message_id, stored.lease));
                TakenLetter { receipt, letter: stored.letter.clone() }
            })
            .collect()
    }
}

/// The letter that a receipt names, if the receipt is the latest.
fn held<'a>(kept: &'a mut Kept, receipt: &Receipt) -> Option<&'a mut Stored> {
    let (id, lease) = receipt.as_str().split_once('/')?;
    kept.letters.get_mut(id).filter(|stored| stored.lease.to_string() == lease)
}

fn lost<T>() -> Result<T, QueueError> {
    Err(QueueError::Unavailable("no answer".into()))
}

impl DeadLetters for Broker {
    fn deployment(&self) -> String {
        "the simulated world".into()
    }

    fn queues(&self, _: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        let now = self.clock.now();
        let kept = self.kept();
        let in_flight = kept.letters.values().filter(|stored| stored.visible_at > now).count() as u64;
        let queue = DeadLetterQueue {
            name: "email-dlq".into(),
            kind: DeadLetterKind::Consumer("email".into()),
            waiting: kept.letters.len() as u64 - in_flight,
            in_flight,
            retention: None,
            fifo: false,
            untouchable: None,
            facts: None,
        };
        Box::pin(async { Ok(vec![queue]) })
    }

    fn read<'a>(
        &'a self,
        _: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        let page = self.can_pick.then(|| {
            let kept = self.kept();
            let later =
                kept.letters.values().filter(|stored| after.is_none_or(|after| &*stored.letter.message_id > after));
            later.take(max).map(|stored| stored.letter.clone()).collect()
        });
        Box::pin(async { Ok(page) })
    }

    fn take<'a>(
        &'a self,
        _: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        let this = self.clone();
        let call = self.network.call(move || this.lease(|_| true, max, hold));
        Box::pin(async { call.await.map_err(|_| DeadLettersError::Unavailable("no answer".into())) })
    }

    fn take_these<'a>(
        &'a self,
        _: &'a str,
        ids: &'a [String],
        hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        if !self.can_pick || ids.is_empty() {
            let answer = self.can_pick.then(Vec::new);
            return Box::pin(async { Ok(answer) });
        }
        let (this, ids): (_, HashSet<String>) = (self.clone(), ids.iter().cloned().collect());
        let call = self.network.call(move || this.lease(|id| ids.contains(id), usize::MAX, hold));
        Box::pin(async { call.await.map(Some).map_err(|_| DeadLettersError::Unavailable("no answer".into())) })
    }

    fn hold<'a>(
        &'a self,
        _: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let (this, asked) = (self.clone(), receipts.to_vec());
        let call = self.network.call(move || {
            let now = this.clock.now();
            let one = |receipt: &Receipt| {
                if this.fails() {
                    return lost();
                }
                let mut kept = this.kept();
                let stored = held(&mut kept, receipt).ok_or(QueueError::Stale)?;
                stored.visible_at = now + hold;
                Ok(())
            };
            asked.iter().map(one).collect::<Vec<_>>()
        });
        Box::pin(async move { call.await.unwrap_or_else(|_| receipts.iter().map(|_| lost()).collect()) })
    }

    fn delete<'a>(&'a self, _: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        let (this, asked) = (self.clone(), receipts.to_vec());
        let call = self.network.call(move || {
            let one = |receipt: &Receipt| {
                if this.fails() || this.kept().refuses_deletes {
                    return lost();
                }
                let mut kept = this.kept();
                let id = held(&mut kept, receipt).ok_or(QueueError::Stale)?.letter.message_id.clone();
                kept.letters.remove(&id);
                drop(kept);
                if this.fails() { lost() } else { Ok(()) }
            };
            asked.iter().map(one).collect::<Vec<_>>()
        });
        Box::pin(async move { call.await.unwrap_or_else(|_| receipts.iter().map(|_| lost()).collect()) })
    }

    fn send<'a>(
        &'a self,
        _: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        let (this, asked) = (self.clone(), letters.to_vec());
        let call = self.network.call(move || {
            let one = |letter: &OutgoingLetter| {
                if this.fails() {
                    return lost();
                }
                let (_, of) = letter.copy_of.clone().unwrap();
                let event = serde_json::from_slice::<serde_json::Value>(&letter.body).unwrap()["id"].clone();
                let mut kept = this.kept();
                kept.sent.push(Sent { by: this.by, of, body: letter.body.clone() });
                kept.handled.insert(serde_json::from_value(event).unwrap());
                let id = format!("sent-{}", kept.sent.len());
                drop(kept);
                if this.fails() { lost() } else { Ok(id) }
            };
            asked.iter().map(one).collect::<Vec<_>>()
        });
        let (this, asked) = (self.clone(), letters.to_vec());
        let first = self.deletes_first.then(|| {
            self.network.call(move || {
                for (_, id) in asked.iter().filter_map(|letter| letter.copy_of.as_ref()) {
                    this.kept().letters.remove(id);
                }
            })
        });
        Box::pin(async move {
            if let Some(first) = first {
                let _ = first.await;
            }
            if self.repeats {
                self.clock.sleep(JUST_NOW.end * 2).await;
            }
            call.await.unwrap_or_else(|_| letters.iter().map(|_| lost()).collect())
        })
    }

    fn create<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        Box::pin(async { Ok(()) })
    }

    fn backlog<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        let kept = self.kept();
        let record = |key: &IdempotencyKey| {
            let event: EventId = key.as_str().split_once('/').unwrap().1.parse().unwrap();
            kept.handled.contains(&event).then(|| done(key.clone(), self.clock.now()))
        };
        let records = keys.iter().map(record).collect();
        Box::pin(async { Ok(records) })
    }
}

fn done(key: IdempotencyKey, now: Timestamp) -> InboxRecord {
    InboxRecord {
        key,
        status: Status::Done,
        fence: 1 as Fence,
        revision: 1,
        lease_until: now,
        attempts: 1,
        replay: 1,
        payload_hash: [0; 32],
        steps: Steps::new(),
        history: Vec::new(),
        first_at: now,
        updated_at: now,
        expires_at: None,
    }
}

/// Nothing here is forced, so nobody asks it.
pub(super) struct NoInbox;

impl Inbox for NoInbox {
    fn claim<'a>(&'a self, _: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        Box::pin(async { Err(InboxError::Lost) })
    }

    fn write<'a>(&'a self, _: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        Box::pin(async { Err(InboxError::Lost) })
    }

    fn get<'a>(&'a self, _: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        Box::pin(async { Err(InboxError::Lost) })
    }
}
