//! A record that a Powertools library wrote, by its own rules: `COMPLETED` until `expiration`, or `INPROGRESS` until
//! `in_progress_expiration`. It knows no fence, no attempts and no doubt.

use sendoff_consumers::{Claim, Claimed, IdempotencyKey, InboxRecord, Status, Steps, transition};
use sendoff_events::Timestamp;

use super::item::{COMPLETED, IN_PROGRESS_EXPIRATION, STATUS};
use crate::{item::Item, tables::inbox::EXPIRATION};

/// What it says, whatever it holds besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    is_completed: bool,
    /// Until when it is being worked on.
    until: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl Foreign {
    pub(super) fn of(item: &Item) -> Self {
        // Libraries of other languages and ages write these differently; what can't be read is as good as missing.
        let number = |name| item.optional_number::<i64>(name).ok().flatten();
        Self {
            is_completed: item.optional_text(STATUS) == Some(COMPLETED),
            until: number(IN_PROGRESS_EXPIRATION).and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            expires_at: number(EXPIRATION).and_then(|seconds| Timestamp::from_second(seconds).ok()),
        }
    }

    /// Decides a claim: what is done is done, whatever the payload was, since it is hashed in another way; what is being
    /// worked on is busy; everything else is as free as if there were no record.
    ///
    /// A library that doesn't know how long its function may run leaves `in_progress_expiration` out, and holds the key until
    /// the record expires.
    pub(super) fn claim(&self, claim: &Claim) -> (Claimed, Option<InboxRecord>) {
        // The libraries compare seconds: a record is still there in the second in which it expires.
        if self.expires_at.is_some_and(|at| at.as_second() < claim.now.as_second()) {
            return transition::claim(None, claim);
        }
        if self.is_completed {
            let record = InboxRecord { payload_hash: claim.payload_hash, ..self.record(&claim.key) };
            return (Claimed::Settled(record), None);
        }
        match self.until.or(self.expires_at).filter(|until| *until > claim.now) {
            Some(until) => (Claimed::Busy { until }, None),
            None => transition::claim(None, claim),
        }
    }

    /// The record as far as it is known. Its times are the only ones that it tells.
    pub(super) fn record(&self, key: &IdempotencyKey) -> InboxRecord {
        let known = self.until.or(self.expires_at).unwrap_or(Timestamp::UNIX_EPOCH);
        InboxRecord {
            key: key.clone(),
            status: if self.is_completed { Status::Done } else { Status::Claimed },
            fence: 0,
            revision: 0,
            lease_until: known,
            attempts: 1,
            replay: 0,
            payload_hash: [0; 32],
            steps: Steps::new(),
            history: Vec::new(),
            first_at: known,
            updated_at: known,
            expires_at: self.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sendoff_events::EventId;

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn claim() -> Claim {
        let now = Timestamp::from_second(NOW).unwrap();
        Claim {
            key: IdempotencyKey::new("email", EventId::from_bytes([1; 16])),
            fence: 0,
            payload_hash: [7; 32],
            replay: 0,
            now,
            lease_until: now + Duration::from_secs(60),
            reconcile: false,
        }
    }

    fn written(status: &str, expiration: Option<i64>, in_progress: Option<i64>) -> Claimed {
        let mut item = Item::default().with_text("status", status).with_text("data", "{\"ok\":true}");
        if let Some(after) = expiration {
            item = item.with_number("expiration", NOW + after);
        }
        if let Some(after) = in_progress {
            item = item.with_number("in_progress_expiration", (NOW + after) * 1000);
        }
        Foreign::of(&item).claim(&claim()).0
    }

    fn busy(after: i64) -> Claimed {
        Claimed::Busy { until: Timestamp::from_second(NOW + after).unwrap() }
    }

    #[test]
    fn what_it_completed_is_done_whatever_its_validation_says() {
        for expiration in [0, 10] {
            match written("COMPLETED", Some(expiration), Some(-5)) {
                Claimed::Settled(record) => assert_eq!((record.status, record.payload_hash), (Status::Done, [7; 32])),
                other => panic!("it should be settled: {other:?}"),
            }
        }
    }

    #[test]
    fn what_it_is_working_on_is_busy_for_as_long_as_it_may_take() {
        assert_eq!(written("INPROGRESS", Some(100), Some(10)), busy(10));
        assert_eq!(written("INPROGRESS", Some(100), None), busy(100));
        assert_eq!(written("INPROGRESS", None, Some(10)), busy(10));
    }

    #[test]
    fn what_it_left_lying_or_what_has_expired_is_free() {
        for (status, expiration, in_progress) in [
            ("INPROGRESS", Some(100), Some(-1)),
            ("INPROGRESS", Some(-1), Some(10)),
            ("INPROGRESS", None, None),
            ("COMPLETED", Some(-1), None),
            ("EXPIRED", None, None),
        ] {
            let claimed = written(status, expiration, in_progress);
            assert!(matches!(&claimed, Claimed::Won(record) if record.attempts == 1), "{status}: {claimed:?}");
        }
    }

    #[test]
    fn an_item_that_holds_anything_else_is_free_and_never_a_panic() {
        let odd = Item::default()
            .with_number("status", 1)
            .with_text("expiration", "x")
            .with_number("in_progress_expiration", u64::MAX);
        assert!(matches!(Foreign::of(&odd).claim(&claim()).0, Claimed::Won(_)));
        assert_eq!(Foreign::of(&Item::default()).record(&claim().key).status, Status::Claimed);
    }
}
