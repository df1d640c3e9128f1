//! What a run asks of its host.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Instance;

/// Something that the host is to do. It stays outstanding, and can be asked for again with [`pending`](super::pending), until a
/// signal with its instance and attempt has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Do something in the world, and say [`Done`](super::Signal::Done) or [`Failed`](super::Signal::Failed).
    Act(ActCommand),
    /// Say [`Due`](super::Signal::Due) when it is.
    Wake {
        /// Where.
        instance: Instance,
        /// Goes back with the signal.
        attempt: u32,
        /// When.
        due: Timestamp,
    },
    /// Ask somebody, and say [`Decided`](super::Signal::Decided), or [`Failed`](super::Signal::Failed) if they can't be asked.
    Ask(AskCommand),
}

/// What is to be done in the world.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActCommand {
    /// Where.
    pub instance: Instance,
    /// Goes back with the signal. From 1; it also grows when the run is taken up again.
    pub attempt: u32,
    /// The call, as actions take it.
    pub call: Value,
    /// How many seconds it may take; after that it has failed with `States.Timeout`.
    pub timeout: u32,
    /// When it is to be done, not sooner.
    pub due: Timestamp,
}

/// Who is to be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AskCommand {
    /// Where.
    pub instance: Instance,
    /// Goes back with a failure. From 1; it also grows when the run is taken up again.
    pub attempt: u32,
    /// Users' ids. Any one of them is enough. It may be empty, which is for the host to refuse.
    pub approvers: Vec<String>,
    /// What they are asked.
    pub title: String,
    /// More about it.
    pub text: String,
    /// When they are to be asked, not sooner.
    pub due: Timestamp,
    /// Until when they may decide. There is a [`Wake`](Command::Wake) for it too.
    pub deadline: Timestamp,
}

impl Command {
    /// Where in the run.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        match self {
            Self::Act(ActCommand { instance, .. })
            | Self::Wake { instance, .. }
            | Self::Ask(AskCommand { instance, .. }) => instance,
        }
    }

    /// At which attempt.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Act(ActCommand { attempt, .. })
            | Self::Wake { attempt, .. }
            | Self::Ask(AskCommand { attempt, .. }) => *attempt,
        }
    }

    /// When it is due.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        match self {
            Self::Act(ActCommand { due, .. }) | Self::Wake { due, .. } | Self::Ask(AskCommand { due, .. }) => *due,
        }
    }
}
