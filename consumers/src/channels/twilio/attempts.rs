//! What this process remembers of the messages that it has handed over, so that a listed message isn't taken for another one.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sendoff_events::{Personal, Timestamp};

use super::find::{AFTER, BEFORE};
use crate::SendOutcome;

/// How many are remembered; older ones are forgotten first.
const MOST: usize = 10_000;

/// One message that Twilio has, or may have.
struct Attempt {
    number: u64,
    to: Personal<String>,
    key: String,
    at: Timestamp,
    /// Its name at Twilio, once that is known.
    sid: Option<String>,
}

#[derive(Default)]
struct Known {
    attempts: VecDeque<Attempt>,
    last: u64,
    forgotten: Option<Timestamp>,
}

/// The attempts since this process began, but for those that were definitely refused.
pub(super) struct Attempts {
    since: Timestamp,
    known: Mutex<Known>,
}

/// An attempt that is under way. It stays one that may have arrived unless it is concluded.
pub(super) struct Begun(u64);

impl Attempts {
    pub(super) fn since(now: Timestamp) -> Self {
        Self { since: now, known: Mutex::default() }
    }

    /// Remembers that a message is about to leave.
    pub(super) fn begin(&self, to: &str, key: &str, at: Timestamp) -> Begun {
        let mut known = self.known();
        known.last += 1;
        let number = known.last;
        if known.attempts.len() == MOST {
            known.forgotten = known.attempts.pop_front().map(|oldest| oldest.at);
        }
        let to = Personal::new(to.to_owned());
        known.attempts.push_back(Attempt { number, to, key: key.to_owned(), at, sid: None });
        Begun(number)
    }

    /// Remembers what became of it.
    pub(super) fn conclude(&self, begun: &Begun, outcome: &SendOutcome) {
        let mut known = self.known();
        let Ok(at) = known.attempts.binary_search_by_key(&begun.0, |attempt| attempt.number) else { return };
        match outcome {
            SendOutcome::Sent { provider_id, .. } => known.attempts[at].sid.clone_from(provider_id),
            SendOutcome::Unknown { .. } => {}
            SendOutcome::NotSent(_) | SendOutcome::Skipped { .. } => drop(known.attempts.remove(at)),
        }
    }

    /// When the last attempt for `key` began of which nothing is known.
    pub(super) fn last_of(&self, key: &str) -> Option<Timestamp> {
        let known = self.known();
        let open = known.attempts.iter().rev().find(|attempt| attempt.key == key && attempt.sid.is_none());
        open.map(|attempt| attempt.at)
    }

    /// Whether the message of this name is known to be another delivery's.
    pub(super) fn is_anothers(&self, sid: &str, key: &str) -> bool {
        self.known().attempts.iter().any(|attempt| attempt.sid.as_deref() == Some(sid) && attempt.key != key)
    }

    /// Whether a message to `to` that came to be at `created` can only be that of `key`, if no other process sends: all
    /// deliveries to this recipient since then are known, and none of another key is in doubt or under way.
    pub(super) fn leave_only(&self, key: &str, to: &str, created: Timestamp) -> bool {
        let known = self.known();
        // The names of moments at Twilio are whole seconds.
        let complete =
            created.as_second() >= self.since.as_second() && known.forgotten.is_none_or(|last| last < created);
        let could_be_its = |attempt: &Attempt| {
            attempt.sid.is_none()
                && attempt.key != key
                && attempt.to.expose() == to
                && (attempt.at - BEFORE..=attempt.at + AFTER).contains(&created)
        };
        complete && !known.attempts.iter().any(could_be_its)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotSent;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn sent(sid: &str) -> SendOutcome {
        SendOutcome::Sent { provider: None, provider_id: Some(sid.into()) }
    }

    fn unknown() -> SendOutcome {
        SendOutcome::Unknown { provider: None, reason: String::new() }
    }

    #[test]
    fn a_message_of_another_key_is_known_by_its_name() {
        let attempts = Attempts::since(at(0));
        attempts.conclude(&attempts.begin("+49301", "a", at(1)), &sent("SM1"));
        assert!(attempts.is_anothers("SM1", "b"));
        assert!(!attempts.is_anothers("SM1", "a") && !attempts.is_anothers("SM2", "b"));
    }

    #[test]
    fn another_doubt_about_the_same_recipient_leaves_open_whose_a_message_is() {
        let attempts = Attempts::since(at(0));
        attempts.conclude(&attempts.begin("+49301", "a", at(1)), &unknown());
        assert!(attempts.leave_only("a", "+49301", at(1)));
        assert_eq!((attempts.last_of("a"), attempts.last_of("b")), (Some(at(1)), None));
        let other = attempts.begin("+49301", "b", at(2));
        assert!(!attempts.leave_only("a", "+49301", at(1)), "it is under way");
        attempts.conclude(&other, &unknown());
        assert!(!attempts.leave_only("a", "+49301", at(1)), "it is in doubt");
        assert!(attempts.leave_only("a", "+49302", at(1)), "another recipient");
        assert!(attempts.leave_only("a", "+49301", at(3600)), "long before");
    }

    #[test]
    fn what_was_refused_is_no_attempt() {
        let attempts = Attempts::since(at(0));
        let refused = SendOutcome::NotSent(NotSent::Throttled { after: None, reason: String::new() });
        attempts.conclude(&attempts.begin("+49301", "b", at(1)), &refused);
        assert!(attempts.leave_only("a", "+49301", at(1)));
    }

    #[test]
    fn of_the_time_before_nothing_is_known() {
        let attempts = Attempts::since(at(10));
        assert!(!attempts.leave_only("a", "+49301", at(9)));
        assert!(attempts.leave_only("a", "+49301", at(10)));
        for n in 0..=MOST {
            let n = i64::try_from(n).unwrap();
            attempts.conclude(&attempts.begin("+49301", "b", at(20 + n)), &sent(&format!("SM{n}")));
        }
        assert!(!attempts.leave_only("a", "+49301", at(20)) && attempts.leave_only("a", "+49301", at(21)));
    }
}
