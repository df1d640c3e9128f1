//! What becomes of what was sent.

use sendoff_consumers::{IdempotencyKey, Status};

use super::{RunError, engine::Engine, journal::Step};

/// The most letters that are watched at a time: of a large run, some stand for all.
const MOST: usize = 1000;

/// A letter that was sent, and that is watched.
pub(super) struct Watched {
    pub(super) place: u32,
    pub(super) replay: u32,
    key: IdempotencyKey,
}

impl Watched {
    /// Who is to handle it.
    pub(super) fn consumer(&self) -> &str {
        self.key.as_str().split_once('/').map_or("", |(consumer, _)| consumer)
    }
}

impl Engine<'_> {
    /// Watches some of these letters.
    pub(super) fn begin_watch(&self, places: &[u32]) {
        for place in places {
            if self.shared().watched.len() >= MOST {
                return;
            }
            let Ok(entry) = self.run.plan.entry(*place) else { continue };
            let Some((consumer, event)) = entry.consumer.as_deref().zip(entry.event) else { continue };
            let key = IdempotencyKey::new(consumer, event);
            self.shared().watched.insert(event, Watched { place: *place, replay: entry.replay, key });
        }
    }

    /// Asks what the consumer has recorded of the watched letters.
    pub(super) async fn settle(&self) -> Result<(), RunError> {
        let watched: Vec<(u32, u32, IdempotencyKey)> = {
            let shared = self.shared();
            let mut watched: Vec<_> =
                shared.watched.values().map(|watched| (watched.place, watched.replay, watched.key.clone())).collect();
            watched.sort();
            watched
        };
        if watched.is_empty() {
            return Ok(());
        }
        let keys: Vec<IdempotencyKey> = watched.iter().map(|(_, _, key)| key.clone()).collect();
        // A look that fails says nothing; the next one is near.
        let Ok(records) = self.run.letters.ledger(&keys).await else { return Ok(()) };
        let (mut ended, mut came_back) = (Vec::new(), Vec::new());
        for ((place, replay, _), record) in watched.into_iter().zip(records) {
            match record {
                Some(record) if record.status == Status::Done => ended.push(place),
                Some(record)
                    if matches!(record.status, Status::Failed | Status::InDoubt) && record.replay >= replay =>
                {
                    came_back.push(place);
                }
                _ => {}
            }
        }
        if !ended.is_empty() {
            self.shared().watched.retain(|_, watched| !ended.contains(&watched.place));
            self.note(Step::Ended { n: ended }).await?;
        }
        self.returned(came_back).await
    }

    /// Writes down that these have come back.
    pub(super) async fn returned(&self, mut places: Vec<u32>) -> Result<(), RunError> {
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Ok(());
        }
        self.shared().watched.retain(|_, watched| !places.contains(&watched.place));
        self.note(Step::Returned { n: places }).await
    }
}
