//! Worlds in which anything may happen, but always the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::making::{decides, done};
use crate::engine::{ActCommand, Answer, AskCommand, Decision, Failure, Outcome, Reply, World};

/// A number that follows from what it is about.
pub(super) fn chance(about: impl Hash, of: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    about.hash(&mut hasher);
    hasher.finish() % of
}

/// What happens follows from the seed, the instance and the attempt alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random {
    pub(super) seed: u64,
    /// From which attempt on everything goes well.
    pub(super) heals: u32,
}

impl World for Random {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let about = (self.seed, &act.instance, act.attempt);
        let after = SignedDuration::from_millis(chance((about, "after"), 20_000) as i64);
        let error = match chance(about, 10) {
            _ if act.attempt >= self.heals => return well(act),
            0 => "Action.Permanent",
            1 | 2 => "Action.Transient",
            3 => "Action.Throttled",
            4 => return Outcome { after: SignedDuration::from_secs(100), ..well(act) },
            _ => return Outcome { after, ..well(act) },
        };
        Outcome { after, reply: Reply::Failed(failure(error)) }
    }

    fn ask(&mut self, ask: &AskCommand) -> Answer {
        let about = (self.seed, &ask.instance, ask.attempt);
        match chance(about, 6) {
            0 if ask.attempt < self.heals => Answer::Failed(failure("Action.Permanent")),
            1 if ask.attempt < self.heals => Answer::Failed(failure("Action.Transient")),
            2 | 3 => decides(chance((about, "after"), 150) as i64, Decision::Approved),
            4 => decides(chance((about, "after"), 150) as i64, Decision::Rejected),
            _ => Answer::Nobody,
        }
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}

/// Whatever fails fails for good, with one error.
pub(super) struct Alike<'a>(pub(super) &'a dyn Fn(&str) -> bool);

impl World for Alike<'_> {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        let after = SignedDuration::from_secs(chance(&act.instance, 5) as i64);
        if self.0(&act.instance.to_string()) {
            return Outcome { after, reply: Reply::Failed(failure("Workflow.Failed")) };
        }
        Outcome { after, ..well(act) }
    }

    fn ask(&mut self, ask: &AskCommand) -> Answer {
        if self.0(&ask.instance.to_string()) { Answer::Failed(failure("Workflow.Failed")) } else { Answer::Nobody }
    }
}

/// What an action answers that was told this.
pub(super) fn value(instance: &str, told: &Value) -> String {
    format!("{instance} after {told}")
}

pub(super) fn well(act: &ActCommand) -> Outcome {
    done(1, json!({ "status": "done", "value": value(&act.instance.to_string(), &act.call["say"]) }))
}

fn failure(error: &str) -> Failure {
    Failure { error: error.into(), cause: "it was to be".into() }
}
