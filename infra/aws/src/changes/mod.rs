//! The stream of changed records, read from DynamoDB Streams by polling. A Lambda function is given its changes instead: see
//! [`record`].
//!
//! The stream comes in shards, ordered in themselves only, and a shard is followed by its children. Each reaction reads them
//! all into one line: a parent to its end before its children, so the changes of a record stay in order. A change's
//! [`Position`] is its number in that line. How far the reaction has come in each shard stands in the checkpoint.
//!
//! One process reads for a reaction at a time: it holds a lease in the checkpoint, renews that while it deals with what it has
//! read, and each taking of the lease is an epoch. Whoever lost the lease finds out at the latest when it writes, forgets what it
//! had read, and waits for its turn.

mod checkpoints;
mod line;
#[cfg(test)]
mod line_tests;
mod park;
pub(crate) mod record;
#[cfg(test)]
mod record_tests;
mod shards;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::lock::Mutex as AsyncMutex;
use sendoff_consumers::{Change, Changes, ChangesError, Failure, Position};
use sendoff_events::{BoxFuture, Timestamp};

use crate::{CallError, Store};
use checkpoints::Checkpoints;
use line::{Line, Place, Unreadable};
pub(crate) use park::put_aside;
use shards::{Page, Stream};

/// How long a lease lasts. The next reader takes over so long after one vanished.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked, while a reaction is at work, whether the lease has to be renewed.
const BEAT: Duration = Duration::from_secs(5);
/// How long a waiting read pauses between two looks. DynamoDB lets two readers of a shard ask five times a second.
const POLL: Duration = Duration::from_millis(250);
/// How many times it reads on at once where the stream holds little but other things.
const ROUNDS: usize = 50;
/// How long to wait before asking again for a lease that somebody else holds.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What a process has read for its reactions. All [`Changes`] of a [`Store`] share it.
#[derive(Default)]
pub(crate) struct Readers(Mutex<HashMap<String, Arc<AsyncMutex<Reader>>>>);

impl Readers {
    fn of(&self, reaction: &str) -> Arc<AsyncMutex<Reader>> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(readers.entry(reaction.to_owned()).or_default())
    }
}

/// What has been read for one reaction, and by what right.
#[derive(Default)]
struct Reader {
    /// Tells this process from all others.
    owner: String,
    lease: Option<Lease>,
    /// Until then it isn't worth asking for the lease.
    taken_until: Option<Timestamp>,
    line: Line,
}

struct Lease {
    epoch: u64,
    until: Timestamp,
}

impl Reader {
    /// Somebody else reads now, and will see again what wasn't checkpointed.
    fn lose(&mut self, reaction: &str) {
        if self.lease.take().is_some() {
            tracing::warn!(reaction, "another worker reads the changes for this reaction now");
        }
        self.line = Line::default();
    }
}

/// [`Changes`] over the stream of the table of records. Needs a Tokio runtime for reading and checkpointing.
#[derive(Clone)]
pub(crate) struct DynamoChanges {
    store: Store,
}

impl Store {
    /// The stream of changed records.
    #[must_use]
    pub fn changes(&self) -> Arc<dyn Changes> {
        Arc::new(DynamoChanges { store: self.clone() })
    }
}

impl DynamoChanges {
    fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    fn checkpoints(&self) -> Checkpoints<'_> {
        Checkpoints { client: self.store.aws.dynamodb(), table: &self.store.resources.inbox_table }
    }

    /// Whether this process may read for the reaction. Takes, or renews, the lease where that is due.
    async fn holds_lease(&self, reaction: &str, reader: &mut Reader) -> Result<bool, CallError> {
        let now = self.now();
        let until = later(now, LEASE);
        if self.renew(reaction, reader).await? {
            return Ok(true);
        }
        if reader.taken_until.is_some_and(|until| now < until) {
            return Ok(false);
        }
        if reader.owner.is_empty() {
            let rng = &self.store.rng;
            reader.owner = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
        }
        let kept = self.checkpoints().read(reaction).await?;
        if let Some(kept) = &kept
            && kept.owner != reader.owner
            && now < kept.until
        {
            reader.taken_until = Some(kept.until.min(later(now, ASK_AGAIN)));
            return Ok(false);
        }
        let Some(epoch) = self.checkpoints().take(reaction, kept.as_ref(), &reader.owner, until).await? else {
            // Somebody was faster.
            return Ok(false);
        };
        (reader.lease, reader.taken_until) = (Some(Lease { epoch, until }), None);
        reader.line = kept.map(|kept| Line::resume(kept.standing)).unwrap_or_default();
        Ok(true)
    }

    /// Renews the lease at half time; false without one, and when somebody else has it now.
    async fn renew(&self, reaction: &str, reader: &mut Reader) -> Result<bool, CallError> {
        let now = self.now();
        let Some(lease) = &reader.lease else { return Ok(false) };
        if later(now, LEASE / 2) < lease.until {
            return Ok(true);
        }
        let (epoch, until) = (lease.epoch, later(now, LEASE));
        let is_ours = self.checkpoints().write(reaction, epoch, &reader.line.standing(), until).await?;
        if is_ours {
            reader.lease = Some(Lease { epoch, until });
        } else {
            reader.lose(reaction);
        }
        Ok(is_ours)
    }

    /// Whether the lease of this epoch still stands. Renews it where that is due.
    async fn stands(&self, reaction: &str, epoch: u64) -> Result<bool, ChangesError> {
        let reader = self.store.readers.of(reaction);
        let mut reader = reader.lock().await;
        let is_ours = reader.lease.as_ref().is_some_and(|lease| lease.epoch == epoch);
        Ok(is_ours && self.renew(reaction, &mut reader).await.map_err(unavailable)?)
    }

    /// Reads on until there are `max` changes, or none at the moment.
    async fn fetch(&self, reaction: &str, line: &mut Line, max: usize) -> Result<(), ChangesError> {
        let arn = self.store.resources.stream_arn.as_deref().ok_or_else(|| unavailable(no_stream()))?;
        let stream = Stream { client: self.store.aws.streams(), arn };
        if line.is_list_due(self.now()) {
            line.list(stream.shards().await.map_err(unavailable)?, self.now(), reaction);
        }
        // What one shard can't give holds up no other.
        let mut failed = BTreeMap::new();
        for _ in 0..ROUNDS {
            if line.len() >= max {
                break;
            }
            let asked = line.readable().into_iter().filter(|cursor| !failed.contains_key(&cursor.shard)).collect();
            let mut read_something = false;
            for (shard, page) in stream.read_all(asked).await {
                match self.take(reaction, page).await {
                    Ok(page) => {
                        read_something |= !page.is_empty();
                        line.push(&shard, page, reaction);
                    }
                    Err(error) => drop(failed.insert(shard, error)),
                }
            }
            if !read_something {
                break;
            }
        }
        failed.into_values().next().map_or(Ok(()), Err)
    }

    /// What was read of a shard. Before the line goes on, what can't be read in it is put aside, or all of it is read again.
    async fn take(&self, reaction: &str, page: Result<Page, CallError>) -> Result<Page, ChangesError> {
        let page = page.map_err(unavailable)?;
        for Unreadable { record, damage } in page.unreadable() {
            let (record, why) = (record.to_json().to_string(), damage.to_string());
            put_aside(&self.store, reaction, &record, &why).await.map_err(ChangesError)?;
        }
        Ok(page)
    }

    /// Does `work` in a task of its own. A reader is locked meanwhile, and whoever asked may be suspended, or be dropped, and
    /// must keep nobody else waiting by that.
    async fn apart<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, ChangesError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ChangesError>> + Send + 'static,
    {
        let done = tokio::spawn(work(self.clone())).await;
        done.unwrap_or_else(|error| Err(ChangesError(format!("reading was cut short: {error}"))))
    }

    async fn look(&self, reaction: &str, max: usize) -> Result<Vec<Change>, ChangesError> {
        let reader = self.store.readers.of(reaction);
        let mut reader = reader.lock().await;
        if !self.holds_lease(reaction, &mut reader).await.map_err(unavailable)? {
            return Ok(Vec::new());
        }
        let Some(epoch) = reader.lease.as_ref().map(|lease| lease.epoch) else { return Ok(Vec::new()) };
        if reader.line.len() < max {
            let fetched = self.fetch(reaction, &mut reader.line, max).await;
            // What was read before is there all the same.
            if reader.line.len() == 0 {
                fetched?;
            }
        }
        Ok(reader.line.first(max, epoch))
    }

    /// Notes that everything up to and including this place is dealt with; false when there is no such place.
    async fn finish(&self, reaction: &str, place: Place) -> Result<bool, ChangesError> {
        let reader = self.store.readers.of(reaction);
        let mut reader = reader.lock().await;
        let epoch = match &reader.lease {
            Some(lease) if lease.epoch == place.epoch => lease.epoch,
            // Whoever reads since then sees those changes again.
            _ => return Ok(true),
        };
        if place.number <= reader.line.done() {
            return Ok(true);
        }
        if !reader.line.finish(place.number) {
            return Ok(false);
        }
        let until = later(self.now(), LEASE);
        let standing = reader.line.standing();
        if !self.checkpoints().write(reaction, epoch, &standing, until).await.map_err(unavailable)? {
            reader.lose(reaction);
            return Err(taken_over(reaction));
        }
        reader.lease = Some(Lease { epoch, until });
        Ok(true)
    }
}

impl Changes for DynamoChanges {
    fn read<'a>(
        &'a self,
        reaction: &'a str,
        max: usize,
        wait: Duration,
    ) -> BoxFuture<'a, Result<Vec<Change>, ChangesError>> {
        Box::pin(async move {
            let give_up = later(self.now(), wait);
            loop {
                let name = reaction.to_owned();
                let found = self.apart(|own| async move { own.look(&name, max).await }).await?;
                let left = Duration::try_from(give_up.duration_since(self.now())).unwrap_or_default();
                if !found.is_empty() || max == 0 || left.is_zero() {
                    return Ok(found);
                }
                self.store.clock.sleep(left.min(POLL)).await;
            }
        })
    }

    fn keep<'a>(&'a self, reaction: &'a str, position: &'a Position) -> BoxFuture<'a, ChangesError> {
        Box::pin(async move {
            let Some(place) = Place::parse(position) else { return wrong(position) };
            loop {
                let name = reaction.to_owned();
                match self.apart(|own| async move { own.stands(&name, place.epoch).await }).await {
                    Ok(true) => {}
                    Ok(false) => return taken_over(reaction),
                    Err(error) => {
                        tracing::warn!(%error, reaction, "the lease of the changes can't be renewed; it is tried again")
                    }
                }
                self.store.clock.sleep(BEAT).await;
            }
        })
    }

    fn checkpoint<'a>(&'a self, reaction: &'a str, position: &'a Position) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async move {
            let place = Place::parse(position).ok_or_else(|| wrong(position))?;
            let reaction = reaction.to_owned();
            match self.apart(|own| async move { own.finish(&reaction, place).await }).await? {
                true => Ok(()),
                false => Err(wrong(position)),
            }
        })
    }

    fn park<'a>(
        &'a self,
        reaction: &'a str,
        change: &'a Change,
        failure: &'a Failure,
    ) -> BoxFuture<'a, Result<(), ChangesError>> {
        Box::pin(async move { park::park(&self.store, reaction, change, failure).await.map_err(ChangesError) })
    }
}

fn taken_over(reaction: &str) -> ChangesError {
    ChangesError(format!("another worker reads for the reaction `{reaction}` now"))
}

fn wrong(position: &Position) -> ChangesError {
    ChangesError(format!("position `{}` is not one of this stream", position.0))
}

fn no_stream() -> CallError {
    CallError {
        call: "dynamodb:DescribeStream",
        resource: "the table's stream".into(),
        cause: crate::Cause::Missing,
        code: None,
        message: "no stream is named".into(),
    }
}

fn unavailable(error: CallError) -> ChangesError {
    ChangesError(error.to_string())
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
