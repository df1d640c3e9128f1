//! Finding the one dead letter of an event, and moving it back to its queue.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use sendoff_consumers::{
    Attributes, DeadLetterKind, DeadLettersError, Delivery, FAILURE_ATTRIBUTE, NewMessage, Queue, QueueError,
};
use sendoff_events::{BlobError, EXTENDED_SIZE_ATTRIBUTE, EventId, MAX_BODY_BYTES, Pointer};
use serde::Deserialize;

use crate::{Store, queue::PUT_ASIDE};

/// How long dead letters are held while they are looked through: another look in this time misses them.
const HOLD: Duration = Duration::from_secs(120);
/// How long SQS looks for one. It asks all its servers only when it may wait.
const WAIT: Duration = Duration::from_secs(1);
/// The most dead letters that are looked through.
const MOST: usize = 5000;

#[derive(Deserialize)]
struct Head {
    id: EventId,
}

/// A dead letter that is held.
pub(super) struct Letter {
    dead: Arc<dyn Queue>,
    letter: Delivery,
    message: NewMessage,
}

impl Store {
    /// The dead letter of a consumer about an event, if it is among the first few thousand that SQS shows, also where it was put
    /// aside. It is held: move it back, or release it. All others are released.
    pub(super) async fn dead_letter_about(&self, consumer: &str, event: EventId) -> Result<Option<Letter>, QueueError> {
        if let Some(letter) = self.letter_in(&dead_letters_of(consumer), event).await? {
            return Ok(Some(letter));
        }
        let aside = format!("{consumer}{}", DeadLetterKind::QUARANTINE);
        match self.dead_letter_queues().backlog(&aside).await {
            Ok(_) => self.letter_in(&aside, event).await,
            // Nobody has put anything aside yet.
            Err(DeadLettersError::NoSuchQueue(_)) => Ok(None),
            Err(error) => Err(QueueError::Unavailable(error.to_string())),
        }
    }

    async fn letter_in(&self, queue: &str, event: EventId) -> Result<Option<Letter>, QueueError> {
        let dead = self.queue(queue);
        let mut others = Vec::new();
        let found = self.look_through(&dead, event, &mut others).await;
        // One that isn't given back comes back by itself.
        dead.release(&others).await;
        found
    }

    async fn look_through(
        &self,
        dead: &Arc<dyn Queue>,
        event: EventId,
        others: &mut Vec<(Delivery, Duration)>,
    ) -> Result<Option<Letter>, QueueError> {
        while others.len() < MOST {
            let some = dead.receive(10, WAIT, HOLD).await?;
            if some.is_empty() {
                break;
            }
            let mut found = Ok(None);
            for letter in some {
                if !matches!(found, Ok(None)) {
                    others.push(at_once(letter));
                    continue;
                }
                found = match self.message_about(event, &letter).await {
                    Ok(Some(message)) => Ok(Some(Letter { dead: Arc::clone(dead), letter, message })),
                    other => {
                        others.push(at_once(letter));
                        other.map(|_| None)
                    }
                };
            }
            if !matches!(found, Ok(None)) {
                return found;
            }
        }
        Ok(None)
    }

    /// The message as it was in its queue, if it is about this event.
    async fn message_about(&self, event: EventId, letter: &Delivery) -> Result<Option<NewMessage>, QueueError> {
        let is_about = |body: &[u8]| serde_json::from_slice::<Head>(body).is_ok_and(|head| head.id == event);
        let mut attributes = letter.attributes.clone();
        attributes.remove(FAILURE_ATTRIBUTE);
        let as_it_is = NewMessage { body: letter.body.clone(), attributes, delay: Duration::ZERO };
        // What is no pointer of ours isn't followed, and nobody knows what it is about.
        let Ok(Some(pointer)) = Pointer::parse(&letter.body, &[&*self.resources.bucket]) else {
            return Ok(is_about(&letter.body).then_some(as_it_is));
        };
        let key = pointer.key.as_str();
        // The publisher names a body after its event.
        if let Some(id) = key.rsplit('/').next().and_then(|name| name.parse::<EventId>().ok()) {
            return Ok((id == event).then_some(as_it_is));
        }
        let body: Bytes = match self.blobs().get(&pointer.key, MAX_BODY_BYTES as u64).await {
            Ok(body) => body,
            Err(BlobError::Unavailable(why)) => return Err(QueueError::Unavailable(why)),
            // It can't be read by anybody.
            Err(_) => return Ok(None),
        };
        if !is_about(&body) {
            return Ok(None);
        }
        if !key.starts_with(PUT_ASIDE) {
            return Ok(Some(as_it_is));
        }
        // It was put aside to make room for the failure.
        let NewMessage { mut attributes, delay, .. } = as_it_is;
        attributes.remove(EXTENDED_SIZE_ATTRIBUTE);
        Ok(Some(NewMessage { body, attributes, delay }))
    }
}

/// Where the dead letters of a consumer are.
pub(super) fn dead_letters_of(consumer: &str) -> String {
    format!("{consumer}-dlq")
}

/// A letter that is to be there again at once. That takes its receipt alone: thousands of bodies would be much to keep.
fn at_once(letter: Delivery) -> (Delivery, Duration) {
    (Delivery { body: Bytes::new(), attributes: Attributes::new(), ..letter }, Duration::ZERO)
}

impl Letter {
    /// The queue that it is in.
    pub(super) fn queue(&self) -> &str {
        self.dead.name()
    }

    /// Puts the message into this queue, and then deletes the dead letter. When it isn't certain that it was put there, the
    /// dead letter stays: then there may be both, and the inbox knows what was done.
    pub(super) async fn move_to(self, queue: &dyn Queue) -> Result<(), QueueError> {
        let unsent = || Err(QueueError::Unavailable("the message was not sent".to_owned()));
        if let Err(error) = queue.send(&[self.message]).await.pop().unwrap_or_else(unsent) {
            self.dead.release(&[at_once(self.letter)]).await;
            return Err(error);
        }
        if let Some(Err(error)) = self.dead.ack(&[self.letter.receipt]).await.pop() {
            tracing::warn!(queue = self.dead.name(), %error, "a dead letter was moved back, and couldn't be deleted");
        }
        Ok(())
    }

    /// Leaves it where it is.
    pub(super) async fn release(self) {
        self.dead.release(&[at_once(self.letter)]).await;
    }
}
