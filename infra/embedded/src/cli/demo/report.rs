//! What the demo has measured.

use sendoff_embedded::{program::Exit, sink::SinkChannel};
use sendoff_events::EventId;
use serde::Serialize;

use super::{fate::StepFate, scenario::POISON_REASON};
use crate::cli::runs::RunTold;

/// The report. As JSON it has the first five fields; the rest is for people.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) events: Vec<EventReport>,
    pub(super) mails: Vec<MailReport>,
    pub(super) messages: Vec<MessageReport>,
    pub(super) dead_letters: Vec<DeadLetters>,
    /// Events whose commit was answered and that are missing, or have come to no end at a consumer that should have them.
    pub(super) lost: usize,
    #[serde(skip)]
    pub(super) requests: usize,
    #[serde(skip)]
    pub(super) runs: Vec<RunTold>,
    #[serde(skip)]
    pub(super) timeline: Vec<TimelineEntry>,
}

/// What became of one event.
#[derive(Debug, Serialize)]
pub(super) struct EventReport {
    pub(super) id: EventId,
    pub(super) r#type: String,
    pub(super) outcomes: Vec<OutcomeReport>,
}

/// What one consumer made of it.
#[derive(Debug, Serialize)]
pub(super) struct OutcomeReport {
    pub(super) consumer: String,
    pub(super) outcome: &'static str,
    pub(super) attempts: u32,
    /// From the commit to the end; `None` while there is none.
    pub(super) latency_ms: Option<u64>,
    /// What became of each recipient, or of each other part of the job.
    pub(super) steps: Vec<StepFate>,
    #[serde(skip)]
    pub(super) shown: String,
}

/// A mail as it was received over SMTP.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct MailReport {
    pub(super) to: String,
    pub(super) subject: String,
}

/// A message of another channel, as it was received over HTTP.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct MessageReport {
    pub(super) channel: SinkChannel,
    pub(super) to: String,
    pub(super) text: String,
}

/// Dead letters with the same consumer and reason.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct DeadLetters {
    pub(super) consumer: String,
    pub(super) reason: String,
    pub(super) count: usize,
}

/// Who did what.
#[derive(Debug)]
pub(super) struct TimelineEntry {
    pub(super) app: String,
    pub(super) actor: String,
    pub(super) action: String,
    /// Whom it was done to, if to somebody.
    pub(super) user: String,
}

impl Report {
    /// How many outcomes there are of this kind.
    pub(super) fn count(&self, outcome: &str) -> usize {
        self.events.iter().flat_map(|e| &e.outcomes).filter(|o| o.outcome == outcome).count()
    }

    /// How the program ends. Dead letters that were asked for are no failure, as long as they are exactly these.
    pub(super) fn exit(&self, poison: u16) -> Exit {
        let failed: usize = self.dead_letters.iter().map(|d| d.count).sum();
        let asked_for = self.dead_letters.iter().all(|d| d.reason == POISON_REASON) && failed == usize::from(poison);
        if self.lost > 0 {
            Exit::Failed
        } else if self.count("in-doubt") > 0 {
            Exit::InDoubt
        } else if asked_for {
            Exit::Done
        } else {
            Exit::Partly
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(dead: &[(&str, usize)], lost: usize, in_doubt: bool) -> Report {
        let letters =
            |&(reason, count): &(&str, usize)| DeadLetters { consumer: "email".into(), reason: reason.into(), count };
        Report {
            events: vec![EventReport {
                id: EventId::from_bytes([0; 16]),
                r#type: "app.assigned.v1".into(),
                outcomes: vec![OutcomeReport {
                    consumer: "email".into(),
                    outcome: if in_doubt { "in-doubt" } else { "done" },
                    attempts: 1,
                    latency_ms: Some(1),
                    steps: Vec::new(),
                    shown: String::new(),
                }],
            }],
            mails: Vec::new(),
            messages: Vec::new(),
            dead_letters: dead.iter().map(letters).collect(),
            lost,
            requests: 1,
            runs: Vec::new(),
            timeline: Vec::new(),
        }
    }

    #[test]
    fn only_the_dead_letters_that_were_asked_for_are_no_failure() {
        assert_eq!(report(&[], 0, false).exit(0), Exit::Done);
        assert_eq!(report(&[("bad-template", 3)], 0, false).exit(3), Exit::Done);
        assert_eq!(report(&[("bad-template", 2)], 0, false).exit(3), Exit::Partly);
        assert_eq!(report(&[("bad-template", 3)], 0, false).exit(0), Exit::Partly);
        assert_eq!(report(&[("attempts-exhausted", 3)], 0, false).exit(3), Exit::Partly);
    }

    #[test]
    fn a_lost_event_is_worse_than_a_doubt_and_a_doubt_than_a_dead_letter() {
        assert_eq!(report(&[("not-json", 1)], 1, true).exit(0), Exit::Failed);
        assert_eq!(report(&[("not-json", 1)], 0, true).exit(0), Exit::InDoubt);
    }
}
