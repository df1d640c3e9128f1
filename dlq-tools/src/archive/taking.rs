//! Taking exactly these letters of a queue, to move or to delete them: each leased, compared with what it was, and dealt with in batches.
//! Whatever else has to be leased on the way is given back.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use sendoff_consumers::{DeadLetter, DeadLetters, DeadLettersError, Receipt, TakenLetter};
use sendoff_events::{Clock, Timestamp};
use sendoff_host::Stopped;
use sha2::{Digest as _, Sha256};

use crate::snapshot::{PAGE_BYTES, take::stopped};

/// For how long letters are leased at a time. A batch is dealt with in a fraction of it; if this process is killed, they are free
/// again after it.
const HOLD: Duration = Duration::from_secs(600);
/// How many letters are leased at a time: at first, and then as many as a page holds of such as came last, between these.
const FIRST: usize = 50;
const LEAST: usize = 10;
const MOST: usize = 500;
/// After how many looks in a row that gave nothing new there is nothing more, where letters can't be asked for by their ids.
const IDLE: usize = 10;
/// How long after such a look the next one is.
const PAUSE: Duration = Duration::from_millis(300);

/// The SHA-256 of a letter's body.
pub type Hash = [u8; 32];

/// The SHA-256 of a letter's body.
#[must_use]
pub fn hash(letter: &DeadLetter) -> Hash {
    Sha256::digest(&letter.body).into()
}

/// What was taken, and what wasn't.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many have another body than they had: they aren't touched.
    pub changed: u64,
    /// Those that are gone, or held by somebody else.
    pub missing: BTreeMap<String, Hash>,
    /// Whether all that could be leased was looked at: else those that are missing may just not have been among it.
    pub saw_all: bool,
}

/// What is said of letters that are missing where not all was looked at.
pub const NOT_SEEN: &str = "not seen: there are more letters than can be leased at a time. Say the same once more, or purge or replay others first";

/// Takes each of `wanted` (by message id, with the hash of its body) once, and gives them to `act` in batches, with the moment when
/// their leases end. It is `act` that ends them before, by deleting the letters; those that it leaves are given back.
///
/// # Errors
///
/// When the queue can't be used, or what `act` fails with. All leases are given back before, as far as the queue answers.
pub async fn taken(
    letters: &dyn DeadLetters,
    clock: &dyn Clock,
    queue: &str,
    wanted: BTreeMap<String, Hash>,
    mut act: impl AsyncFnMut(&[TakenLetter], Timestamp) -> Result<(), Stopped>,
) -> Result<Taken, Stopped> {
    let mut told = Taken { changed: 0, missing: wanted, saw_all: true };
    let ids: Vec<String> = told.missing.keys().cloned().collect();
    let (mut left, mut page) = (&ids[..], FIRST);
    while !left.is_empty() {
        let (chunk, rest) = left.split_at(page.min(left.len()));
        left = rest;
        let until = until(clock);
        let Some(taken) = letters.take_these(queue, chunk, HOLD).await.map_err(stopped)? else {
            // None was leased: this queue never gives letters by their ids.
            by_looking(letters, clock, queue, &mut told, &mut act).await?;
            return Ok(told);
        };
        page = next_page(&taken).unwrap_or(page);
        batch(letters, queue, &mut told, (taken, until), &mut act).await?;
    }
    Ok(told)
}

async fn by_looking(
    letters: &dyn DeadLetters,
    clock: &dyn Clock,
    queue: &str,
    told: &mut Taken,
    act: &mut impl AsyncFnMut(&[TakenLetter], Timestamp) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut others: Vec<Receipt> = Vec::new();
    let mut seen = HashSet::new();
    let (mut idle, mut page) = (0, FIRST);
    let mut ended = Ok(());
    while !told.missing.is_empty() && idle < IDLE {
        let until = until(clock);
        let found = match letters.take(queue, page, HOLD).await {
            Ok(found) => found,
            Err(DeadLettersError::TooManyLeased(_)) if !others.is_empty() => {
                told.saw_all = false;
                letters.hold(queue, &std::mem::take(&mut others), Duration::ZERO).await;
                idle += 1;
                continue;
            }
            Err(error) => {
                ended = Err(stopped(error));
                break;
            }
        };
        page = next_page(&found).unwrap_or(page);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|taken| told.missing.contains_key(&taken.letter.message_id));
        let mut is_new = !ours.is_empty();
        for taken in theirs {
            is_new |= seen.insert(taken.letter.message_id);
            others.push(taken.receipt);
        }
        if is_new {
            idle = 0;
        } else {
            idle += 1;
            clock.sleep(PAUSE).await;
        }
        ended = batch(letters, queue, told, (ours, until), act).await;
        if ended.is_err() {
            break;
        }
    }
    letters.hold(queue, &others, Duration::ZERO).await;
    ended
}

/// How many letters like these fill a page: they are in memory together. `None` where there are none.
fn next_page(taken: &[TakenLetter]) -> Option<usize> {
    let bytes: usize = taken.iter().map(|taken| taken.letter.body.len()).sum();
    let average = bytes.checked_div(taken.len())?;
    Some((PAGE_BYTES / (average + 1)).clamp(LEAST, MOST))
}

/// When what is leased now is free again.
fn until(clock: &dyn Clock) -> Timestamp {
    clock.now().checked_add(HOLD).unwrap_or(Timestamp::MAX)
}

async fn batch(
    letters: &dyn DeadLetters,
    queue: &str,
    told: &mut Taken,
    (taken, until): (Vec<TakenLetter>, Timestamp),
    act: &mut impl AsyncFnMut(&[TakenLetter], Timestamp) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let mut ours = Vec::with_capacity(taken.len());
    let mut others = Vec::new();
    for taken in taken {
        match told.missing.remove(&taken.letter.message_id) {
            Some(wanted) if wanted == hash(&taken.letter) => ours.push(taken),
            wanted => {
                told.changed += u64::from(wanted.is_some());
                others.push(taken.receipt);
            }
        }
    }
    let acted = if ours.is_empty() { Ok(()) } else { act(&ours, until).await };
    // The receipts of those that were deleted are stale: nothing comes of them.
    others.extend(ours.into_iter().map(|taken| taken.receipt));
    letters.hold(queue, &others, Duration::ZERO).await;
    acted
}
