//! A person says what became of a message that is in doubt.

use std::sync::Mutex;

use futures::executor::block_on;
use rusqlite::params;
use sendoff_consumers::{
    AuditNote, Claim, Claimed, DeliveryId, IdempotencyKey, Inbox, InboxError, InboxRecord, Resolution, ResolveError,
    Resolved, Status, resolve, transition,
};
use sendoff_events::{BoxFuture, Rng, Timestamp};
use sendoff_host::SystemRng;

use super::{Place, event, event_of, place};
use crate::{
    Store, StoreError, audit,
    db::{
        Tx,
        columns::moment,
        statements::{Run as _, statements},
    },
    dead_letters, inbox,
    queue::names,
};

statements! {
    SHOW = "UPDATE messages SET visible_at = ?2 WHERE id = ?1 AND visible_at > ?2 AND held = 0";
}

/// What a person has decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it is about.
    pub id: DeliveryId,
    /// What becomes of it.
    pub resolution: Resolution,
    /// Who decides.
    pub who: String,
    /// How they know.
    pub because: String,
}

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is settled, and the job goes on: its message was moved back from the dead letters, or waits in its queue.
    GoesOn,
    /// It is settled, and other doubts of the same job still wait for a decision; its message stays where it is.
    OthersWait,
    /// It is settled, and there is no message any more that could go on with the job.
    NoMessage,
    /// It wasn't in doubt. Nothing was changed.
    NotInDoubt,
}

/// A decision couldn't be carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoubtError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record doesn't allow it.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Somebody looks at the dead letter just now.
    #[error("its dead letter is held by somebody else: try again in a minute")]
    Leased,
}

impl Store {
    /// Settles a doubt, lets the rest of the job go on, and writes down who said so, all in one transaction.
    ///
    /// Works beside the process that serves the folder; that one notices within a second or so.
    ///
    /// # Errors
    ///
    /// [`DoubtError`]; nothing was changed then.
    pub async fn settle_doubt(&self, decision: Decision) -> Result<Settled, DoubtError> {
        let rng = SystemRng::new();
        let settled = self.db.write_isolated(move |tx| match settle(tx, &decision, &rng) {
            Ok(settled) => Ok(Ok(settled)),
            Err(Stop::Refused(error)) => Ok(Err(error)),
            Err(Stop::Failed(error)) => Err(error),
        });
        settled.await?
    }
}

/// Why a decision isn't carried out.
enum Stop {
    /// It must not be; nothing was written.
    Refused(DoubtError),
    /// The file failed; what was written is rolled back.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

fn settle(tx: &Tx<'_>, decision: &Decision, rng: &dyn Rng) -> Result<Settled, Stop> {
    let Decision { id, resolution, who, because } = decision;
    let stored = inbox::find(tx, &id.key)?;
    let event = stored.as_ref().map(|record| event(tx, record)).transpose()?.flatten();
    let place = place(tx, event.map(|(seq, _)| seq), id.key.consumer(), tx.now)?;
    if matches!(place, Some(Place { is_dead: true, is_leased: true, .. })) {
        return Err(Stop::Refused(DoubtError::Leased));
    }
    let words = format!("{who}: {because}");
    let (resolved, record) = by_the_rules(stored, id, resolution, &words, moment(tx.now), rng)?;
    if resolved == Resolved::NotInDoubt {
        return Ok(Settled::NotInDoubt);
    }
    inbox::replace(tx, &record)?;
    let action = match resolution {
        Resolution::Sent { .. } => "doubt-sent",
        Resolution::SendAgain => "doubt-send-again",
        Resolution::Failed => "doubt-failed",
    };
    let (event, target) = (event_of(&record), id.to_string());
    let note = AuditNote { who: who.clone(), action: action.into(), event, target, because: because.clone() };
    audit::add(tx, note)?;
    match place {
        None => Ok(Settled::NoMessage),
        // Whoever is left to decide on keeps it where it is.
        Some(_) if record.status == Status::InDoubt => Ok(Settled::OthersWait),
        Some(place) => go_on(tx, &place, id.key.consumer()).map(|()| Settled::GoesOn),
    }
}

/// Lets the message be delivered now.
fn go_on(tx: &Tx<'_>, place: &Place, consumer: &str) -> Result<(), Stop> {
    let Some(ids) = names::find(tx, consumer)? else { return Ok(()) };
    if place.is_dead {
        // No replay: what failed for good stays failed.
        dead_letters::move_back(tx, place.id, ids.queue)?;
    } else {
        tx.run(SHOW, params![place.id, tx.now])?;
    }
    tx.wake(ids.queue);
    Ok(())
}

/// Settles the record as every backend does. The transaction keeps everybody else away from it, so it can be handed around as
/// the one record of an inbox in memory.
fn by_the_rules(
    stored: Option<InboxRecord>,
    id: &DeliveryId,
    resolution: &Resolution,
    because: &str,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<(Resolved, InboxRecord), Stop> {
    let unknown = || Stop::Refused(ResolveError::Unknown(id.to_string()).into());
    let inbox = OneRecord(Mutex::new(stored));
    let resolved = block_on(resolve(&inbox, &id.key, &id.step, resolution, because, now, rng));
    let resolved = resolved.map_err(|error| Stop::Refused(error.into()))?;
    let record = inbox.0.into_inner().ok().flatten().ok_or_else(unknown)?;
    Ok((resolved, record))
}

/// An inbox of one record, by the rules of all inboxes.
struct OneRecord(Mutex<Option<InboxRecord>>);

impl OneRecord {
    fn with<T>(&self, work: impl FnOnce(&mut Option<InboxRecord>) -> Result<T, InboxError>) -> Result<T, InboxError> {
        let mut record = self.0.lock().map_err(|_| InboxError::Unavailable("a thread panicked".into()))?;
        work(&mut record)
    }
}

impl Inbox for OneRecord {
    fn claim<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Claimed, InboxError>> {
        let answer = self.with(|record| {
            let (answer, changed) = transition::claim(record.clone(), claim);
            *record = changed.or(record.take());
            Ok(answer)
        });
        Box::pin(std::future::ready(answer))
    }

    fn write<'a>(&'a self, written: &'a InboxRecord) -> BoxFuture<'a, Result<(), InboxError>> {
        let answer = self.with(|record| {
            if transition::write(record.as_ref(), written)? {
                *record = Some(written.clone());
            }
            Ok(())
        });
        Box::pin(std::future::ready(answer))
    }

    fn get<'a>(&'a self, _: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<InboxRecord>, InboxError>> {
        Box::pin(std::future::ready(self.with(|record| Ok(record.clone()))))
    }
}
