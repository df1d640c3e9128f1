//! What a scripted peer does instead of answering as it should.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A fault in the answer to one request. Whether the request was acted on is part of it, so that a test can say what became
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFault {
    /// Refuses it with 429, and does not act on it.
    Throttled {
        /// What stands in `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Answers with this error status, and does not act on the request.
    FailedBefore(u16),
    /// Acts on the request, and answers with this error status.
    FailedAfter(u16),
    /// Reads the request, does not act on it, and never answers: until the client gives up.
    HangBefore,
    /// Acts on the request, and never answers: until the client gives up.
    HangAfter,
    /// Reads the whole request, does not act on it, and resets the connection.
    ResetBefore,
    /// Acts on the request, and resets the connection instead of answering.
    ResetAfter,
    /// Acts on the request, sends the head of the good answer and half of its body, and closes the connection.
    Torn,
    /// Acts on the request, and answers with the good status and a body that is no answer: a proxy's page.
    Garbled,
    /// Acts on the request, and answers well after this time.
    Slow(Duration),
}

impl PeerFault {
    /// Every fault, each in the form that the fault matrix uses. `Slow` is short enough for any client to wait for.
    pub const ALL: [Self; 12] = [
        Self::Throttled { retry_after: None },
        Self::Throttled { retry_after: Some(7) },
        Self::FailedBefore(500),
        Self::FailedBefore(503),
        Self::FailedAfter(500),
        Self::HangBefore,
        Self::HangAfter,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Torn,
        Self::Garbled,
        Self::Slow(Duration::from_millis(50)),
    ];

    /// Whether the peer acts on the request.
    #[must_use]
    pub const fn acts(self) -> bool {
        match self {
            Self::Throttled { .. } | Self::FailedBefore(_) | Self::HangBefore | Self::ResetBefore => false,
            Self::FailedAfter(_) | Self::HangAfter | Self::ResetAfter | Self::Torn | Self::Garbled | Self::Slow(_) => {
                true
            }
        }
    }

    /// Its name in a table: `500 before`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Throttled { retry_after: None } => "429".to_owned(),
            Self::Throttled { retry_after: Some(_) } => "429 with Retry-After".to_owned(),
            Self::FailedBefore(status) => format!("{status} before"),
            Self::FailedAfter(status) => format!("{status} after"),
            Self::HangBefore => "hang before".to_owned(),
            Self::HangAfter => "hang after".to_owned(),
            Self::ResetBefore => "reset before".to_owned(),
            Self::ResetAfter => "reset after".to_owned(),
            Self::Torn => "torn answer".to_owned(),
            Self::Garbled => "garbled answer".to_owned(),
            Self::Slow(_) => "slow".to_owned(),
        }
    }
}

/// Which requests meet which fault. Those that nothing is said about are answered well.
#[derive(Debug, Default)]
pub struct Script {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    next: VecDeque<PeerFault>,
    next_for: BTreeMap<String, VecDeque<PeerFault>>,
    always_for: BTreeMap<String, PeerFault>,
    always: Option<PeerFault>,
}

impl Script {
    /// The next requests, whoever they are for, meet these faults, one each.
    pub fn next(&self, faults: impl IntoIterator<Item = PeerFault>) {
        self.edit(|lines| lines.next.extend(faults));
    }

    /// The next requests for `subject` meet these faults, one each. The subject is what the peer says its requests are about: a
    /// recipient, a token, a path.
    pub fn next_for(&self, subject: &str, faults: impl IntoIterator<Item = PeerFault>) {
        self.edit(|lines| lines.next_for.entry(subject.to_owned()).or_default().extend(faults));
    }

    /// All requests for `subject` meet this fault, from now on, or none any more.
    pub fn always_for(&self, subject: &str, fault: Option<PeerFault>) {
        self.edit(|lines| match fault {
            Some(fault) => drop(lines.always_for.insert(subject.to_owned(), fault)),
            None => drop(lines.always_for.remove(subject)),
        });
    }

    /// All requests meet this fault, from now on, or none any more.
    pub fn always(&self, fault: Option<PeerFault>) {
        self.edit(|lines| lines.always = fault);
    }

    /// What a request for `subject` meets: what was said of that subject goes before what was said of all.
    pub(super) fn draw(&self, subject: &str) -> Option<PeerFault> {
        self.edit(|lines| {
            let queued = lines.next_for.get_mut(subject).and_then(VecDeque::pop_front);
            queued
                .or_else(|| lines.next.pop_front())
                .or_else(|| lines.always_for.get(subject).copied())
                .or(lines.always)
        })
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Lines) -> T) -> T {
        change(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_drawn_in_order_and_a_subject_has_its_own() {
        let script = Script::default();
        script.next([PeerFault::HangBefore]);
        script.next_for("ada", [PeerFault::ResetAfter, PeerFault::Torn]);
        script.always_for("bob", Some(PeerFault::Garbled));
        assert_eq!(script.draw("ada"), Some(PeerFault::ResetAfter));
        assert_eq!(script.draw("bob"), Some(PeerFault::HangBefore));
        assert_eq!(script.draw("bob"), Some(PeerFault::Garbled));
        assert_eq!(script.draw("ada"), Some(PeerFault::Torn));
        assert_eq!(script.draw("ada"), None);
        script.always_for("bob", None);
        assert_eq!(script.draw("bob"), None);
    }

    #[test]
    fn no_two_faults_of_the_matrix_have_the_same_name() {
        let names: std::collections::BTreeSet<_> = PeerFault::ALL.map(PeerFault::name).into();
        assert_eq!(names.len(), PeerFault::ALL.len());
    }
}
