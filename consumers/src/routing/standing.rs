//! What the ledger of a channel says of one recipient.

use std::collections::BTreeMap;

use sendoff_events::Timestamp;

use crate::{InboxRecord, Status, Step, StepState};

/// What became of a channel's message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet: it may still be sent.
    Open,
    /// It didn't reach them and won't: it was left out, refused, or not meant for them.
    Not,
    /// A provider has taken it.
    Sent {
        /// The steps that did it, and when each did: one, or one for each device.
        steps: BTreeMap<String, Timestamp>,
    },
    /// It may have reached them.
    InDoubt {
        /// Since when.
        since: Timestamp,
        /// It is tried again, and may find out.
        trying: bool,
    },
}

/// What `record`, of a channel's work on an event, says of the recipient whose step is `recipient`, or whose steps begin with
/// it and a slash.
#[must_use]
pub fn standing(record: Option<&InboxRecord>, recipient: &str) -> Standing {
    let Some(record) = record else { return Standing::Open };
    let of_theirs =
        |name: &str| name.strip_prefix(recipient).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let steps: Vec<(&String, &Step)> = record.steps.iter().filter(|(name, _)| of_theirs(name)).collect();
    let in_state = |states: &'static [StepState]| steps.iter().filter(|(_, step)| states.contains(&step.state));
    let latest = |states| in_state(states).map(|(_, step)| step.at).max();
    let sent: BTreeMap<_, _> = in_state(&[StepState::Done]).map(|(name, step)| ((*name).clone(), step.at)).collect();
    if !sent.is_empty() {
        return Standing::Sent { steps: sent };
    }
    let working = record.status == Status::Claimed;
    if let Some(since) = latest(&[StepState::InDoubt, StepState::Sending]) {
        return Standing::InDoubt { since, trying: working };
    }
    let pending = latest(&[StepState::Pending]).is_some() || steps.is_empty();
    if working && pending { Standing::Open } else { Standing::Not }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdempotencyKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(status: Status, steps: &[(&str, StepState, i64)]) -> InboxRecord {
        let step = |state, second| Step {
            state,
            doubted: false,
            at: at(second),
            provider: None,
            provider_id: None,
            reason: None,
            mark: None,
            result: None,
        };
        InboxRecord {
            key: "sms/01938d1e-7b2c-7000-8000-000000000000".parse::<IdempotencyKey>().unwrap(),
            status,
            fence: 1,
            revision: 1,
            lease_until: at(0),
            attempts: 1,
            replay: 0,
            payload_hash: [0; 32],
            steps: steps
                .iter()
                .map(|(name, state, second)| ((*name).into(), step(*state, *second)))
                .collect::<BTreeMap<_, _>>(),
            history: Vec::new(),
            first_at: at(0),
            updated_at: at(0),
            expires_at: None,
        }
    }

    #[test]
    fn what_is_open_unsent_sent_or_in_doubt_is_told_apart() {
        use StepState::{Done, Failed, InDoubt, Pending, Sending, Skipped};
        let sent = |steps: &[(&str, i64)]| Standing::Sent {
            steps: steps.iter().map(|(step, second)| ((*step).to_owned(), at(*second))).collect(),
        };
        let doubt = |second, trying| Standing::InDoubt { since: at(second), trying };
        for (status, steps, expected) in [
            (Status::Claimed, vec![], Standing::Open),
            (Status::Claimed, vec![("ada", Pending, 1)], Standing::Open),
            (Status::Claimed, vec![("eve", Done, 1)], Standing::Open),
            (Status::Claimed, vec![("ada", Skipped, 1)], Standing::Not),
            (Status::Claimed, vec![("ada", Failed, 1)], Standing::Not),
            (Status::Claimed, vec![("ada", Done, 1)], sent(&[("ada", 1)])),
            (Status::Claimed, vec![("ada", Sending, 2)], doubt(2, true)),
            (Status::Claimed, vec![("ada", InDoubt, 2)], doubt(2, true)),
            (Status::InDoubt, vec![("ada", InDoubt, 2)], doubt(2, false)),
            (Status::InDoubt, vec![("eve", InDoubt, 2), ("ada", Failed, 1)], Standing::Not),
            (Status::Failed, vec![], Standing::Not),
            (Status::Failed, vec![("ada", Pending, 1)], Standing::Not),
            (Status::Failed, vec![("eve", Failed, 1), ("ada", Done, 1)], sent(&[("ada", 1)])),
            (Status::Done, vec![], Standing::Not),
            (Status::Done, vec![("adam", Done, 1)], Standing::Not),
            (Status::Claimed, vec![("ada/1", Failed, 1), ("ada/2", Pending, 1)], Standing::Open),
            (
                Status::Done,
                vec![("ada/1", Done, 1), ("ada/2", Done, 3), ("ada/3", Skipped, 4)],
                sent(&[("ada/1", 1), ("ada/2", 3)]),
            ),
        ] {
            assert_eq!(standing(Some(&record(status, &steps)), "ada"), expected, "{status:?} {steps:?}");
        }
        assert_eq!(standing(None, "ada"), Standing::Open);
    }
}
