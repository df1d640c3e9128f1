//! Making a plan of the chosen letters of a snapshot.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::future::try_join_all;
use sendoff_consumers::{DeadLetters, IdempotencyKey};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use sendoff_producers::Records;
use sha2::{Digest as _, Sha256};

use super::{
    Action, Draft, Entry, Estimate, Forecast, Head, Plan, PlanError, Seen, Wish, forecast, forecast::replay,
    other_subscribers::OtherSubscribers, overtaken,
};
use crate::{
    letter::{self, LedgerFacts, Letter, ledger_key},
    select::{self, Selector},
    snapshot::Snapshot,
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
    path: PathBuf,
    head: Head,
    file: std::fs::File,
    places: Vec<Place>,
}

impl Planned {
    /// That of these letters, to stand at `path`; `None` when none is chosen.
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
        let mut others = OtherSubscribers::of(&order).await?;
        for ids in chosen.chunks(PAGE) {
            let letters: Result<Vec<Option<Letter>>, _> = ids.iter().map(|id| order.snapshot.letter(id)).collect();
            let letters: Vec<Letter> = letters?.into_iter().flatten().collect();
            others.count(&letters, order.letters).await?;
            for entry in entries(&order, letters).await? {
                drafted.add(&entry).map_err(failed)?;
            }
        }
        let (file, mut places) = drafted.finish().map_err(failed)?;
        places.sort_by_key(|place| (place.lost_at, place.at));
        mark_late(&mut places, &order);
        let head = &mut order.head;
        for place in &places {
            *head.forecasts.entry(place.forecast).or_insert(0) += 1;
        }
        head.send = places.iter().filter(|place| place.is_sent).count() as u64;
        head.leave = places.len() as u64 - head.send;
        head.estimate = Estimate::of(head.send, order.is_billed, head.rate, &head.canary, head.watch());
        head.other_subscribers = others.found();
        Ok(Some(Self { path: path.to_owned(), head: order.head, file, places }))
    }

    /// What the plan will say of itself.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`PlanError`].
    pub fn write(self) -> Result<Plan, PlanError> {
        let Self { path, head, mut file, places } = self;
        let failed = |source| PlanError::Io { path: path.clone(), source };
        let mut draft = Draft::begin(&path, &head)?;
        for place in places {
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
        let lost_at = entry.lost_at.map_or(i64::MAX, |at| at.as_millisecond());
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
fn mark_late(places: &mut [Place], order: &Order<'_>) {
    let Head { rate, canary, .. } = &order.head;
    for (sent, place) in (0_u64..).zip(places.iter_mut().filter(|place| place.is_sent)) {
        let mut reached = 0;
        let watches = canary.iter().take_while(|rung| {
            reached += **rung;
            reached <= sent
        });
        let seconds =
            sent.checked_div(u64::from(*rate)).unwrap_or_default() + watches.count() as u64 * order.head.watch_s;
        let turn = order.now.as_millisecond().saturating_add_unsigned(seconds.saturating_mul(1000));
        if place.forecast == Forecast::Run && place.lost_at <= turn {
            place.forecast = Forecast::LostBeforeItsTurn;
        }
    }
}

async fn entries(order: &Order<'_>, letters: Vec<Letter>) -> Result<Vec<Entry>, Stopped> {
    let keys: Vec<Option<IdempotencyKey>> = letters.iter().map(|letter| ledger_key(&letter.facts)).collect();
    let ledgers = ledgers(order.letters, &keys).await?;
    // What is done or can't be sent needs no look at its record.
    let newer = try_join_all(letters.iter().zip(&ledgers).map(|(letter, ledger)| {
        let open =
            letter.edit.is_none() && !ledger.as_ref().is_some_and(|l| l.status == sendoff_consumers::Status::Done);
        overtaken::newer(letter.facts.event.as_ref().filter(|_| open), order.records)
    }));
    let newer = newer.await.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
    let look = |((letter, ledger), newer): ((Letter, Option<LedgerFacts>), Option<u64>)| {
        entry(order, &letter, ledger.as_ref(), newer)
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

fn entry(order: &Order<'_>, letter: &Letter, ledger: Option<&LedgerFacts>, newer: Option<u64>) -> Entry {
    let unsendable = letter::original(&letter.message, &letter.facts, letter.payload.as_ref()).err();
    let unsendable = unsendable.as_deref();
    let seen = Seen { ledger, newer, unsendable, now: order.now, keep: order.keep };
    let (forecast, why) = forecast(letter, &seen, &order.wish);
    let action = order.wish.action(forecast, letter.edit.is_some());
    let event = letter.facts.event.as_ref();
    let edit = letter.edit.as_ref().filter(|_| forecast == Forecast::Edited);
    Entry {
        id: letter.message.message_id.clone(),
        sha256: format!("{:x}", Sha256::digest(&letter.message.body)),
        event: edit.map(|edit| edit.event).or_else(|| event.map(|event| event.id)),
        replaces: edit.and_then(|_| event.map(|event| event.id)),
        r#type: event.map(|event| event.r#type.clone()),
        consumer: letter.facts.consumer.clone(),
        forecast,
        why,
        action,
        replay: replay(letter, ledger),
        lost_at: order.snapshot.lost_at(letter),
        edit: edit.map(|edit| edit.body.clone()),
    }
}
