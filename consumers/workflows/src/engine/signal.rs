//! What a run is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Instance;

/// Something that has happened and may carry a run on.
///
/// One that doesn't fit, because it is a repetition, comes late, or is about a step that was given up, changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An action was done.
    Done {
        /// Where.
        instance: Instance,
        /// At which attempt.
        attempt: u32,
        /// What it answered, an object.
        output: Value,
    },
    /// An action failed, or an approval couldn't be asked for.
    Failed {
        /// Where.
        instance: Instance,
        /// At which attempt.
        attempt: u32,
        /// The error's name: `Action.Permanent`, `Action.Transient`, `Action.Throttled` or `States.Timeout`. Any other counts
        /// as permanent.
        error: String,
        /// What went wrong, for people.
        cause: String,
    },
    /// A [`Wake`](super::Command::Wake) is due: a wait is over, or nobody has decided in time.
    Due {
        /// Where.
        instance: Instance,
        /// At which attempt.
        attempt: u32,
    },
    /// Somebody has decided.
    Decided {
        /// Where.
        instance: Instance,
        /// What.
        decision: Decision,
        /// Who: a user's id.
        by: String,
        /// What they say about it.
        comment: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// A person stops the run. Whatever it was at is given up.
    Stop,
    /// A person takes up a run that has failed, from where it failed.
    Redrive,
}

/// What somebody has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

impl Decision {
    /// Its name, as it stands in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}
