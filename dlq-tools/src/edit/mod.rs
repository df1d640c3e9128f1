//! Changing letters. A changed payload is a new fact: it becomes an event of its own, caused by the one that it replaces, and only
//! one of the two is ever sent. Nothing happens to the queue here: the new event is kept in the snapshot, and a plan sends it.

mod apart;
mod check;
mod diff;
mod fact;
mod patch;
mod path;
mod script;
mod set;

pub use apart::{APART, Apart, serve_apart};
pub use diff::{diff, places};
pub use fact::InOrder;
pub use path::{Part, Path};
pub use script::ScriptError;
use sendoff_consumers::{Status, StepState};
use sendoff_events::{Clock, EventId, Rng, at_millis};
use serde_json::Value;
pub use set::Set;

use crate::letter::{Edit, LedgerFacts, Letter};

/// What is to be done to each letter's envelope.
pub enum Change {
    /// Values put at places, in order.
    Set(Vec<Set>),
    /// A JSON Patch.
    Patch(json_patch::Patch),
    /// A jq program.
    Script(Apart),
}

impl Change {
    /// Reads a JSON Patch.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn patch(text: &str) -> Result<Self, String> {
        patch::read(text).map(Self::Patch)
    }

    fn apply(&self, envelope: &Value) -> Result<Value, Refusal> {
        match self {
            Self::Set(sets) => {
                let mut changed = envelope.clone();
                sets.iter().try_for_each(|set| set.apply(&mut changed)).map_err(Refusal::Invalid)?;
                Ok(changed)
            }
            Self::Patch(patch) => patch::apply(patch, envelope).map_err(Refusal::Invalid),
            Self::Script(script) => script.run(envelope).map_err(Refusal::Script),
        }
    }
}

/// Makes edits of letters.
pub struct Editor<'a> {
    /// What is to be done.
    pub change: Change,
    /// Who does it.
    pub by: String,
    /// What was typed.
    pub how: Vec<String>,
    /// Also letters of which some steps are done: these would be done once more.
    pub also_partly_done: bool,
    /// The time.
    pub clock: &'a dyn Clock,
    /// For ids.
    pub rng: &'a dyn Rng,
}

/// What came of a letter.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It becomes another event.
    Edited(Box<Edited>),
    /// The change leaves it as it is.
    Unchanged,
    /// It must not be changed, or not so.
    Refused(Refusal),
}

/// A changed letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// What is to be kept in the snapshot.
    pub edit: Edit,
    /// The envelope before: the event's own, or an earlier edit of it.
    pub before: Value,
    /// The envelope after, before it gets its new id.
    pub after: Value,
    /// What is to be told besides.
    pub notes: Vec<String>,
}

/// Why a letter isn't changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows whether the old event had its effect.
    #[error("in doubt: whether it had its effect is unknown. Settle it first with `sendoff doubt`")]
    InDoubt,
    /// The old event had its effect already.
    #[error(
        "done already: the changed event would do it again, so no plan would send it. What is to be done besides is another event; \
         `dlq plan --force-rerun` lets the old one run again"
    )]
    Done,
    /// A part of the old event's effect has happened.
    #[error(
        "{done} of its {begun} steps are done already, and the changed event would do them again. If that is wanted, say \
         --also-partly-done --because TEXT"
    )]
    PartlyDone {
        /// How many of its steps.
        done: usize,
        /// How many have begun.
        begun: usize,
    },
    /// It carries no event.
    #[error("it carries no event that can be edited: {0}")]
    NoEvent(String),
    /// The script gives nothing for it.
    #[error(transparent)]
    Script(ScriptError),
    /// The change can't be made, or nobody could read its result.
    #[error("{0}")]
    Invalid(String),
}

impl Editor<'_> {
    /// Says what becomes of a letter. Changes nothing yet. `known` is the new event that another letter of the same old event
    /// becomes: there is only one.
    #[must_use]
    pub fn edit(&self, letter: &Letter, known: Option<EventId>) -> Outcome {
        match self.try_edit(letter, known) {
            Ok(Some(edited)) => Outcome::Edited(Box::new(edited)),
            Ok(None) => Outcome::Unchanged,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn try_edit(&self, letter: &Letter, known: Option<EventId>) -> Result<Option<Edited>, Refusal> {
        let Some(event) = &letter.facts.event else {
            return Err(Refusal::NoEvent(letter.facts.unreadable.clone().unwrap_or_else(|| "nothing to read".into())));
        };
        if let Some(ledger) = &letter.ledger {
            self.may_happen(ledger)?;
        }
        let base = match &letter.edit {
            Some(edit) => edit.body.as_bytes(),
            None => letter.content(),
        };
        let text = std::str::from_utf8(base).map_err(|error| Refusal::NoEvent(error.to_string()))?;
        let before: Value = serde_json::from_str(text).map_err(|error| Refusal::NoEvent(error.to_string()))?;
        if let Some(number) = fact::inexact_number(text) {
            let cut: String = number.chars().take(40).collect();
            return Err(Refusal::Invalid(format!(
                "it has the number {cut}, which would become another one by being read and written"
            )));
        }
        let after = self.change.apply(&before)?;
        if after == before {
            return Ok(None);
        }
        fact::only_what_may_change(&before, &after).map_err(Refusal::Invalid)?;
        let now = at_millis(self.clock.now());
        // As long as none was sent it is the same new event that is still being written. It keeps its id, so that even if an
        // earlier form of it was sent without our knowing, its consumer does only one of the two.
        let known = known.or_else(|| letter.edit.as_ref().map(|edit| edit.event));
        let id = known.unwrap_or_else(|| EventId::generate(self.clock, self.rng));
        let body = fact::body(&after, id, event.id, now);
        let notes =
            check::check(body.as_bytes(), before.get("data").unwrap_or(&Value::Null)).map_err(Refusal::Invalid)?;
        let mut how = letter.edit.as_ref().map(|edit| edit.how.clone()).unwrap_or_default();
        how.extend(self.how.iter().cloned());
        let edit = Edit { event: id, body, by: self.by.clone(), at: now, how };
        Ok(Some(Edited { edit, before, after, notes }))
    }

    /// A new event has an inbox record of its own, which knows nothing of what was done for the old one.
    fn may_happen(&self, ledger: &LedgerFacts) -> Result<(), Refusal> {
        if ledger.doubted || ledger.status == Status::InDoubt {
            return Err(Refusal::InDoubt);
        }
        let done = ledger.steps.values().filter(|step| step.state == StepState::Done).count();
        if ledger.is_done() {
            return Err(Refusal::Done);
        }
        if done == 0 || self.also_partly_done {
            return Ok(());
        }
        Err(Refusal::PartlyDone { done, begun: ledger.steps.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use sendoff_consumers::Step;
    use sendoff_events::{BoxFuture, Timestamp};

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    impl Rng for Still {
        fn next_u64(&self) -> u64 {
            7
        }
    }

    fn refusal(also_partly_done: bool, status: Status, steps: &[StepState]) -> Option<Refusal> {
        let steps = steps.iter().enumerate().map(|(n, state)| {
            let step = serde_json::json!({ "state": state, "at": "1970-01-01T00:00:00Z" });
            (n.to_string(), serde_json::from_value::<Step>(step).unwrap())
        });
        let steps: BTreeMap<String, Step> = steps.collect();
        let at = Timestamp::UNIX_EPOCH;
        let ledger = LedgerFacts {
            status,
            attempts: 1,
            replay: 0,
            doubted: steps.values().any(|step| matches!(step.state, StepState::Sending | StepState::InDoubt)),
            steps,
            history: vec![],
            first_at: at,
            updated_at: at,
        };
        let change = Change::Set(vec![]);
        let (by, how) = (String::new(), vec![]);
        Editor { change, by, how, also_partly_done, clock: &Still, rng: &Still }.may_happen(&ledger).err()
    }

    #[test]
    fn what_happened_already_or_may_have_keeps_a_letter_from_being_edited() {
        use StepState::{Done, Failed, InDoubt, Sending};
        assert_eq!(refusal(false, Status::Failed, &[]), None);
        assert_eq!(refusal(false, Status::Failed, &[Failed, Failed]), None);
        assert_eq!(refusal(false, Status::Failed, &[Done, Failed]), Some(Refusal::PartlyDone { done: 1, begun: 2 }));
        assert_eq!(refusal(true, Status::Failed, &[Done, Failed]), None);
        for also in [false, true] {
            assert_eq!(refusal(also, Status::Done, &[Done]), Some(Refusal::Done));
            assert_eq!(refusal(also, Status::InDoubt, &[]), Some(Refusal::InDoubt));
            assert_eq!(refusal(also, Status::Failed, &[Done, InDoubt]), Some(Refusal::InDoubt));
            assert_eq!(refusal(also, Status::Claimed, &[Sending]), Some(Refusal::InDoubt));
        }
    }
}
