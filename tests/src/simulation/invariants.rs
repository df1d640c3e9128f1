//! What must hold at the end of every run.

use sendoff_consumers::{IdempotencyKey, InboxRecord, Status, StepState};
use sendoff_events::EventId;

use super::{Outcome, handlers::STEPS};

/// What became of the work of a run, counted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Event × consumer that were done.
    pub done: u32,
    /// That are in doubt, and dead-lettered as such.
    pub in_doubt: u32,
    /// That failed for certain, and are dead-lettered.
    pub failed: u32,
    /// Messages that were sent twice after a doubt, where the policy says so.
    pub resent: u32,
    /// Processes that were killed.
    pub kills: u32,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.in_doubt += other.in_doubt;
        self.failed += other.failed;
        self.resent += other.resent;
        self.kills += other.kills;
    }
}

/// Checks a run.
///
/// # Errors
///
/// The first promise that was broken, in words.
pub fn check(outcome: &Outcome) -> Result<Tally, String> {
    if !outcome.settled {
        return Err(format!("it never came to an end ({} steps)", outcome.steps));
    }
    if let Some((subject, times)) = outcome.commits.iter().find(|(_, times)| **times != 1) {
        return Err(format!("the request about {subject} was committed {times} times"));
    }
    let mut tally = Tally { kills: outcome.kills, ..Tally::default() };
    for event in &outcome.committed {
        for (consumer, steps) in STEPS {
            work(outcome, *event, consumer, steps, &mut tally)?;
        }
    }
    Ok(tally)
}

fn work(
    outcome: &Outcome,
    event: EventId,
    consumer: &'static str,
    steps: &[&str],
    tally: &mut Tally,
) -> Result<(), String> {
    let key = IdempotencyKey::new(consumer, event);
    let record = outcome.inbox.get(&key).ok_or_else(|| format!("{key} was lost: it has no record"))?;
    let dead = outcome.dead[consumer].iter().find(|(id, _)| *id == event).map(|(_, reason)| reason.as_str());
    match (record.status, dead) {
        (Status::Done, None) => tally.done += 1,
        (Status::InDoubt, Some("outcome-unknown")) => tally.in_doubt += 1,
        (Status::Failed, Some(reason)) if reason != "outcome-unknown" => tally.failed += 1,
        (status, dead) => return Err(format!("{key} ended as {status:?} with the dead letter {dead:?}")),
    }
    steps.iter().try_for_each(|step| effect(outcome, record, &key, step, tally))
}

/// What the provider really did, against what the record says.
fn effect(
    outcome: &Outcome,
    record: &InboxRecord,
    key: &IdempotencyKey,
    step: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let sent = outcome.accepted.get(&key.step(step)).copied().unwrap_or(0);
    let known = record.steps.get(step);
    let doubted = known.is_some_and(|s| s.doubted);
    let name = key.step(step);
    match (known.map(|s| s.state), sent) {
        (Some(StepState::Done), 0) => return Err(format!("{name} is said to be done, and was never sent")),
        (Some(StepState::Sending), _) => return Err(format!("{name} is still being sent after the end")),
        (None | Some(StepState::Pending | StepState::Failed), 1..) if key.consumer() != "audit" => {
            return Err(format!("{name} is said not to be sent, and was"));
        }
        _ => {}
    }
    match key.consumer() {
        "text" if sent > 1 => Err(format!("{name} was sent {sent} times")),
        "mail" if sent > 1 && !doubted => Err(format!("{name} was sent {sent} times, and nobody had a doubt")),
        "mail" => {
            tally.resent += sent.saturating_sub(1);
            Ok(())
        }
        _ => Ok(()),
    }
}
