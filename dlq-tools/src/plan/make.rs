//! Making a plan of the chosen letters of a snapshot.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::ControlFlow,
    path::Path,
    time::Duration,
};

use sendoff_consumers::{DeadLetters, Destination, IdempotencyKey, REPLAY_ATTRIBUTE};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use sendoff_producers::Records;

use super::{
    Action, BodyDigest, Draft, Entry, Estimate, Forecast, Head, Plan, PlanError, Seen, Wish, forecast,
    forecast::replay, overtaken, subscribers::Subscribers,
};
use crate::{
    letter::{self, LedgerFacts, Letter, Original},
    select::{self, Selector},
    snapshot::{Snapshot, Twin},
};

/// What a plan is made of.
pub struct Order<'a> {
    /// All that isn't counted: counts and the estimate are filled in.
    pub head: Head,
    /// What is sent.
    pub wish: Wish,
    /// The letters to choose from.
    pub snapshot: &'a Snapshot,
    /// Which of them.
    pub selector: &'a Selector,
    /// The dead letters, for what the consumers have recorded by now.
    pub letters: &'a dyn DeadLetters,
    /// The state, to see what was overtaken.
    pub records: &'a dyn Records,
    /// How long a consumer remembers what it did.
    pub keep: Duration,
    /// Whether calls of the broker cost money.
    pub is_billed: bool,
    /// Now.
    pub now: Timestamp,
}

/// How many letters are looked at together.
const PAGE: usize = 500;

/// When a letter is lost that the broker never forgets.
const NEVER: i64 = i64::MAX;

/// Where an entry stands in the draft on disk, and what it is ordered by. A million of these are in memory, and not the entries.
struct Place {
    lost_at: i64,
    at: u64,
    bytes: u32,
    forecast: Forecast,
    is_sent: bool,
}

/// The entries in the order of the snapshot, on disk.
struct Drafted {
    file: io::BufWriter<std::fs::File>,
    end: u64,
    places: Vec<Place>,
}

/// A plan that isn't written yet: its letters are known, and what would become of them.
pub struct Planned {
    head: Head,
    file: std::fs::File,
    places: Vec<Place>,
    failed_elsewhere: BTreeMap<String, u64>,
    missed: BTreeMap<String, u64>,
}

impl Planned {
    /// That of these letters, which is to stand at `path`; `None` when none is chosen.
    ///
    /// # Errors
    ///
    /// When the snapshot, the records or the ledger can't be read.
    pub async fn of(mut order: Order<'_>, path: &Path) -> Result<Option<Self>, Stopped> {
        let mut chosen: Vec<Box<str>> = Vec::new();
        select::each(order.snapshot, order.selector, |letter| {
            chosen.push(letter.message.message_id.into());
            Ok(ControlFlow::Continue(()))
        })?;
        if chosen.is_empty() {
            return Ok(None);
        }
        let failed = |source| PlanError::Io { path: path.to_owned(), source };
        let file = io::BufWriter::new(tempfile::tempfile().map_err(failed)?);
        let mut drafted = Drafted { file, end: 0, places: Vec::new() };
        let mut subscribers = Subscribers::of(&order).await?;
        let replaced = replaced(order.snapshot.twins()?);
        let (mut failed_elsewhere, mut missed) = (BTreeMap::new(), BTreeMap::new());
        for ids in chosen.chunks(PAGE) {
            let letters: Result<Vec<Option<Letter>>, _> = ids.iter().map(|id| order.snapshot.letter(id)).collect();
            let letters: Vec<Letter> = letters?.into_iter().flatten().collect();
            subscribers.count(&letters, order.letters).await?;
            let amiss = |letter| (other_consumer(&order, letter), subscribers.misses(letter));
            let amiss: Vec<_> = letters.iter().map(amiss).collect();
            for (entry, (other, why)) in entries(&order, letters, &replaced).await?.into_iter().zip(amiss) {
                drafted.add(&entry).map_err(failed)?;
                if entry.action == Action::Send {
                    other.into_iter().for_each(|other| *failed_elsewhere.entry(other).or_insert(0) += 1);
                    why.into_iter().for_each(|why| *missed.entry(why).or_insert(0) += 1);
                }
            }
        }
        let (file, mut places) = drafted.finish().map_err(failed)?;
        places.sort_by_key(|place| (place.lost_at, place.at));
        mark_late(&mut places, &order.head, order.now);
        let head = &mut order.head;
        for place in &places {
            *head.forecasts.entry(place.forecast).or_insert(0) += 1;
            if place.is_sent {
                *head.sent.entry(place.forecast).or_insert(0) += 1;
            }
        }
        head.send = places.iter().filter(|place| place.is_sent).count() as u64;
        head.leave = places.len() as u64 - head.send;
        let (send, watch) = (head.send, head.watch());
        head.estimate = Estimate::of(send, &head.to, order.is_billed, head.rate, &head.canary, watch);
        head.other_subscribers = subscribers.found();
        Ok(Some(Self { head: order.head, file, places, failed_elsewhere, missed }))
    }

    /// What the plan will say of itself.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// How many of the letters that it sends failed at another consumer than the one that gets them, by that other one.
    #[must_use]
    pub const fn failed_elsewhere(&self) -> &BTreeMap<String, u64> {
        &self.failed_elsewhere
    }

    /// How many of the letters that it sends the topic wouldn't bring to the consumer that they failed at, by the reason.
    #[must_use]
    pub const fn missed(&self) -> &BTreeMap<String, u64> {
        &self.missed
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`PlanError`], also when there is a file already: then it can be written elsewhere.
    pub fn write(&mut self, path: &Path) -> Result<Plan, PlanError> {
        let Self { head, file, places, .. } = self;
        let failed = |source| PlanError::Io { path: path.to_owned(), source };
        let mut draft = Draft::begin(path, head)?;
        for place in places.iter() {
            let mut line = vec![0; place.bytes as usize];
            file.seek(SeekFrom::Start(place.at)).and_then(|_| file.read_exact(&mut line)).map_err(failed)?;
            let mut entry: Entry = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
            entry.forecast = place.forecast;
            draft.add(&entry)?;
        }
        draft.finish()
    }
}

impl Drafted {
    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let line = serde_json::to_vec(entry)?;
        self.file.write_all(&line)?;
        let bytes = u32::try_from(line.len()).map_err(io::Error::other)?;
        let lost_at = entry.lost_at.map_or(NEVER, |at| at.as_millisecond());
        let is_sent = entry.action == Action::Send;
        self.places.push(Place { lost_at, at: self.end, bytes, forecast: entry.forecast, is_sent });
        self.end += u64::from(bytes);
        Ok(())
    }

    fn finish(self) -> io::Result<(std::fs::File, Vec<Place>)> {
        Ok((self.file.into_inner().map_err(io::IntoInnerError::into_error)?, self.places))
    }
}

/// Marks those that the broker may have forgotten when their turn comes.
fn mark_late(places: &mut [Place], head: &Head, now: Timestamp) {
    for (sent, place) in (0_u64..).zip(places.iter_mut().filter(|place| place.is_sent)) {
        let watches = head.rungs().take_while(|reached| *reached <= sent);
        let sending = sent.saturating_mul(1000).checked_div(u64::from(head.rate)).unwrap_or_default();
        let watching = (watches.count() as u64).saturating_mul(head.watch_s).saturating_mul(1000);
        let turn = now.as_millisecond().saturating_add_unsigned(sending.saturating_add(watching));
        if place.forecast == Forecast::Run && place.lost_at != NEVER && place.lost_at <= turn {
            place.forecast = Forecast::LostBeforeItsTurn;
        }
    }
}

/// Those of several letters of one event that stay where they are because another was edited: the old event must not run beside
/// the new one, and there is to be only one new one.
fn replaced(twins: Vec<Vec<Twin>>) -> HashSet<String> {
    let left = twins.into_iter().flat_map(|twins| {
        let sent = twins.iter().filter_map(|(_, edited)| *edited).min();
        twins.into_iter().filter(move |(_, edited)| sent.is_some() && *edited != sent)
    });
    left.map(|(id, _)| id).collect()
}

/// The consumer that a letter is for: that of the queue which it is sent to.
fn consumer<'a>(order: &'a Order<'_>, letter: &'a Letter) -> Option<&'a str> {
    match &order.head.to.0 {
        Destination::Queue(queue) => Some(queue),
        Destination::Topic => letter.facts.consumer.as_deref(),
    }
}

/// The consumer that a letter failed at, if it is another one than that of the queue which it is sent to. Its failure counts, and not
/// the queue that it stands in now: somebody may have put it there.
fn other_consumer(order: &Order<'_>, letter: &Letter) -> Option<String> {
    let Destination::Queue(queue) = &order.head.to.0 else { return None };
    let failed_at = letter.facts.claims.as_ref().or(letter.facts.consumer.as_ref());
    failed_at.filter(|consumer| *consumer != queue).cloned()
}

async fn entries(order: &Order<'_>, letters: Vec<Letter>, replaced: &HashSet<String>) -> Result<Vec<Entry>, Stopped> {
    let key = |letter: &Letter| {
        let event = letter.facts.event.as_ref()?.id;
        consumer(order, letter).map(|consumer| IdempotencyKey::new(consumer, event))
    };
    let keys: Vec<Option<IdempotencyKey>> = letters.iter().map(key).collect();
    let ledgers = ledgers(order.letters, &keys).await?;
    // What is done or can't be sent needs no look at its record.
    let open = letters.iter().zip(&ledgers).map(|(letter, ledger)| {
        let open = letter.edit.is_none() && !ledger.as_ref().is_some_and(LedgerFacts::is_done);
        letter.facts.event.as_ref().filter(|_| open)
    });
    let newer = overtaken::newer(open.collect(), order.records).await;
    let newer = newer.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
    let look = |((letter, ledger), newer): ((Letter, Option<LedgerFacts>), Option<u64>)| {
        let is_replaced = replaced.contains(&letter.message.message_id);
        entry(order, &letter, ledger.as_ref(), newer, is_replaced)
    };
    Ok(letters.into_iter().zip(ledgers).zip(newer).map(look).collect())
}

/// What the consumers have recorded under these keys, each in its place.
pub(super) async fn ledgers(
    letters: &dyn DeadLetters,
    keys: &[Option<IdempotencyKey>],
) -> Result<Vec<Option<LedgerFacts>>, Stopped> {
    let asked: Vec<IdempotencyKey> = keys.iter().flatten().cloned().collect();
    if asked.is_empty() {
        return Ok(keys.iter().map(|_| None).collect());
    }
    let records = letters.ledger(&asked).await.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
    let mut records = records.into_iter();
    Ok(keys
        .iter()
        .map(|key| key.as_ref().and_then(|_| records.next().flatten()))
        .map(|record| record.as_ref().map(LedgerFacts::from))
        .collect())
}

/// What a letter was before, or why it can't be sent.
fn sendable(letter: &Letter, is_sqs: bool) -> Result<Original, String> {
    let original = letter::original(&letter.message, &letter.facts, letter.payload.as_ref())?;
    // SQS has a place of its own for the trace header.
    let names = original.attributes.keys().map(String::as_str).filter(|name| !is_sqs || *name != "AWSTraceHeader");
    let others = names.filter(|name| *name != REPLAY_ATTRIBUTE).count();
    if others >= MOST_ATTRIBUTES {
        return Err(format!(
            "it has {others} attributes, and no queue takes more than {MOST_ATTRIBUTES}: `{REPLAY_ATTRIBUTE}`, which it \
             needs to run again, has no place. Publish its event once more with fewer"
        ));
    }
    Ok(original)
}

/// A message has at most so many attributes.
const MOST_ATTRIBUTES: usize = 10;

fn entry(
    order: &Order<'_>,
    letter: &Letter,
    ledger: Option<&LedgerFacts>,
    newer: Option<u64>,
    replaced: bool,
) -> Entry {
    let original = sendable(letter, order.is_billed);
    let unsendable = original.as_ref().err().map(String::as_str);
    let seen = Seen { ledger, replaced, newer, unsendable, now: order.now, keep: order.keep };
    let (forecast, why) = forecast(letter, &seen, &order.wish);
    let action = order.wish.action(forecast, letter.edit.is_some());
    let event = letter.facts.event.as_ref();
    let edit = letter.edit.as_ref().filter(|_| forecast == Forecast::Edited);
    Entry {
        id: letter.message.message_id.clone(),
        sha256: BodyDigest::of(&letter.message.body),
        as_it_stands: original.is_ok_and(|original| letter.stands_as(&original)),
        event: edit.map(|edit| edit.event).or_else(|| event.map(|event| event.id)),
        replaces: edit.and_then(|_| event.map(|event| event.id)),
        r#type: event.map(|event| event.r#type.clone()),
        consumer: consumer(order, letter).map(str::to_owned),
        forecast,
        why,
        action,
        replay: replay(letter, ledger),
        lost_at: order.snapshot.lost_at(letter),
        edit: edit.map(|edit| edit.body.clone()),
    }
}

#[cfg(test)]
mod tests {
    use sendoff_events::EventId;

    use super::*;
    use crate::plan::{Stops, To};

    #[test]
    fn of_the_letters_of_an_edited_event_only_those_of_one_new_event_are_sent() {
        let new = |n: u8| Some(format!("0193a0a0-0000-7000-8000-00000000000{n}").parse::<EventId>().unwrap());
        let twins = |of: &[(&str, Option<EventId>)]| of.iter().map(|(id, new)| ((*id).to_owned(), *new)).collect();
        let left = replaced(vec![
            twins(&[("a", None), ("b", None)]),
            twins(&[("c", None), ("d", new(1))]),
            twins(&[("e", new(3)), ("f", new(2)), ("g", new(2))]),
        ]);
        assert_eq!(left, HashSet::from(["c".to_owned(), "e".to_owned()]));
    }

    #[test]
    fn a_letter_is_late_when_the_broker_forgets_it_before_the_ladder_comes_to_it() {
        let head = Head {
            plan: 1,
            deployment: String::new(),
            queue: "email-dlq".into(),
            to: To(sendoff_consumers::Destination::Topic),
            by: "grace".into(),
            at: Timestamp::UNIX_EPOCH,
            selection: Vec::new(),
            snapshot: String::new(),
            snapshot_at: Timestamp::UNIX_EPOCH,
            rate: 2,
            canary: vec![1, 2],
            watch_s: 10,
            stop: Stops { returned_share: 0.1, backlog_age_s: None, backlog: None, patience_s: 60 },
            max_replays: 3,
            include: Vec::new(),
            force_rerun: None,
            approvals: 0,
            send: 0,
            leave: 0,
            forecasts: BTreeMap::new(),
            sent: BTreeMap::new(),
            estimate: Estimate { calls: 0, usd: 0.0, seconds: 0 },
            other_subscribers: Vec::new(),
        };
        let place = |lost_at, forecast, is_sent| Place { lost_at, at: 0, bytes: 0, forecast, is_sent };
        let late = |lost_at: &[i64]| {
            let mut places: Vec<_> = lost_at.iter().map(|at| place(*at, Forecast::Run, true)).collect();
            mark_late(&mut places, &head, Timestamp::UNIX_EPOCH);
            places.iter().map(|place| place.forecast == Forecast::LostBeforeItsTurn).collect::<Vec<_>>()
        };
        // The first goes at once, the next two after a watch of 10 s, and the fourth after two.
        assert_eq!(late(&[1, 10_501, 11_001, 21_501]), [false, false, false, false]);
        assert_eq!(late(&[0, 10_500, 11_000, 21_500]), [true, true, true, true]);
        // What is never lost is never late, however long the ladder watches.
        let head = Head { watch_s: u64::MAX, ..head };
        let mut places: Vec<_> = [NEVER - 1, NEVER].map(|at| place(at, Forecast::Run, true)).into();
        places.insert(0, place(NEVER, Forecast::Run, true));
        mark_late(&mut places, &head, Timestamp::UNIX_EPOCH);
        let forecasts: Vec<_> = places.iter().map(|place| place.forecast).collect();
        assert_eq!(forecasts, [Forecast::Run, Forecast::LostBeforeItsTurn, Forecast::Run]);
        // Those that stay take no turn, and what is edited or to be sent in any case keeps its own forecast.
        let mut places =
            vec![place(0, Forecast::Done, false), place(1, Forecast::Run, true), place(2, Forecast::Overtaken, true)];
        mark_late(&mut places, &head, Timestamp::UNIX_EPOCH);
        let forecasts: Vec<_> = places.iter().map(|place| place.forecast).collect();
        assert_eq!(forecasts, [Forecast::Done, Forecast::Run, Forecast::Overtaken]);
    }
}
