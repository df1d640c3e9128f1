//! Why an invocation failed as a whole.

use lambda_runtime::Diagnostic;
use sendoff_consumers::action::ActionError;

/// An invocation that failed as a whole: what Lambda shows, counts as an error and, for a batch, repeats.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The event isn't one that this function is for.
    #[error("the event can't be worked: expected {expected}, {found}")]
    Event {
        /// What the function is for.
        expected: &'static str,
        /// What came instead; nothing of its contents.
        found: String,
    },
    /// The function can't be put together from its settings.
    #[error("the function can't start: {0}")]
    Start(String),
    /// What it works with can't be reached.
    #[error("{0}")]
    Backend(String),
    /// An action wasn't done.
    #[error(transparent)]
    Action(ActionError),
}

impl FunctionError {
    pub(crate) fn start(error: impl std::fmt::Display) -> Self {
        Self::Start(error.to_string())
    }

    pub(crate) fn backend(error: impl std::fmt::Display) -> Self {
        Self::Backend(error.to_string())
    }

    /// A stable name, which alarms and state machines can go by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event { .. } => "Sendoff.Event",
            Self::Start(_) => "Sendoff.Start",
            Self::Backend(_) => "Sendoff.Backend",
            Self::Action(error) => error.kind.name(),
        }
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}
