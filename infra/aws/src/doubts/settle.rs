//! A person says what became of a message that is in doubt.

use sendoff_consumers::{
    AuditError, AuditNote, DeliveryId, InboxError, InboxRecord, QueueError, Resolution, ResolveError, Resolved, Status,
    action, resolve,
};
use sendoff_events::at_millis;

use super::letters::{Letter, dead_letters_of};
use crate::Store;

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
    /// It is settled, and its message was moved from the dead letters back to its queue: the job goes on.
    GoesOn,
    /// It is settled, and other doubts of the same job still wait for a decision; its message stays where it is.
    OthersWait,
    /// It is settled, and its message isn't among the dead letters. If it waits in its queue the job goes on when it is
    /// delivered, and nobody can see whether it does; else nothing goes on with the job. A call of a workflow has none.
    NoDeadLetter,
    /// It wasn't in doubt. Nothing was changed.
    NotInDoubt,
}

/// A decision wasn't carried out, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The record doesn't allow it, or can't be reached. Nothing was changed, as far as is known.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The dead letters can't be looked through. Nothing was changed.
    #[error("the dead letters can't be looked through, and nothing was changed: {0}")]
    Letters(QueueError),
    /// The doubt is settled, but who decided could not be written down. The record's history tells it, as long as it is kept.
    #[error("the doubt is settled, but who decided it and why could not be kept for `doubt audit`: {0}")]
    NotAudited(AuditError),
    /// The doubt is settled, but its dead letter stays where it is.
    #[error(
        "the doubt is settled, but its dead letter stays in `{queue}`: {why}. Replay it from there; what is done is skipped"
    )]
    NotMoved {
        /// The dead-letter queue, or the quarantine.
        queue: String,
        /// Why it wasn't moved.
        why: String,
    },
}

impl Store {
    /// Settles a doubt, writes down who said so, and moves its dead letter back to its queue, so that the rest of the job goes
    /// on. The dead letter is found and held first, so that nothing is changed when it can't be reached; it is deleted last, so
    /// that none is lost.
    ///
    /// # Errors
    ///
    /// [`SettleError`], which says how far it came.
    pub async fn settle_doubt(&self, decision: &Decision) -> Result<Settled, SettleError> {
        let Decision { id, resolution, who, because } = decision;
        let (inbox, consumer) = (self.inbox(), id.key.consumer());
        let event = id.event().ok_or_else(|| ResolveError::Unknown(id.to_string()))?;
        // Most of what is wrong is seen before anything is held.
        let stored = inbox.get(&id.key).await.map_err(ResolveError::from)?;
        if !stored.is_some_and(|record| record.steps.contains_key(&id.step)) {
            return Err(ResolveError::Unknown(id.to_string()).into());
        }
        // No message is about a call of a workflow, and some of those who keep a record of one have no queue.
        let letter = match action::is_call(id) {
            true => None,
            false => self.dead_letter_about(consumer, event).await.map_err(SettleError::Letters)?,
        };
        let now = at_millis(self.clock.now());
        let words = format!("{who}: {because}");
        let resolved = resolve(&*inbox, &id.key, &id.step, resolution, &words, now, &*self.rng).await;
        if resolved != Ok(Resolved::Now) {
            leave(letter).await;
            return Ok(resolved.map(|_| Settled::NotInDoubt)?);
        }
        let action = match resolution {
            Resolution::Sent { .. } => "doubt-sent",
            Resolution::SendAgain => "doubt-send-again",
            Resolution::Failed => "doubt-failed",
        };
        let (who, because) = (who.clone(), because.clone());
        let note = AuditNote { who, action: action.to_owned(), event: Some(event), target: id.to_string(), because };
        let audited = self.audit().append(&note).await;
        let settled = self.go_on(letter, inbox.get(&id.key).await, consumer).await;
        audited.map_err(SettleError::NotAudited)?;
        settled
    }

    async fn go_on(
        &self,
        letter: Option<Letter>,
        record: Result<Option<InboxRecord>, InboxError>,
        consumer: &str,
    ) -> Result<Settled, SettleError> {
        let queue = letter.as_ref().map_or_else(|| dead_letters_of(consumer), |letter| letter.queue().to_owned());
        let not_moved = |why: String| SettleError::NotMoved { queue, why };
        match record {
            Err(error) => {
                leave(letter).await;
                Err(not_moved(error.to_string()))
            }
            // Whoever is left to decide on keeps it where it is.
            Ok(Some(record)) if record.status == Status::InDoubt => {
                leave(letter).await;
                Ok(Settled::OthersWait)
            }
            Ok(_) => {
                let Some(letter) = letter else { return Ok(Settled::NoDeadLetter) };
                let moved = letter.move_to(&*self.queue(consumer)).await;
                moved.map(|()| Settled::GoesOn).map_err(|error| not_moved(error.to_string()))
            }
        }
    }
}

async fn leave(letter: Option<Letter>) {
    if let Some(letter) = letter {
        letter.release().await;
    }
}
