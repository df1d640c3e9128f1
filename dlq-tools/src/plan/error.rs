//! Why a plan can't be used.

use std::{io, path::PathBuf};

use sendoff_host::{Exit, Stopped};

/// A plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// There is none.
    #[error("there is no plan at {}; `dlq plan` makes one", .0.display())]
    Missing(PathBuf),
    /// There is a file already.
    #[error("{} is there already, and a plan is never written over: name another with --out", .0.display())]
    Taken(PathBuf),
    /// It isn't what was written.
    #[error("the plan {} was changed: it says that its hash is {said}, and it is {found}. Make a new one with `dlq plan`", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
        /// The hash that it carries.
        said: String,
        /// The hash that it has.
        found: String,
    },
    /// It is no plan.
    #[error("{} is no plan of this program: line {line}: {why}", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Where that shows, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// The file system failed.
    #[error("the plan {} can't be used: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<PlanError> for Stopped {
    fn from(error: PlanError) -> Self {
        let exit = match &error {
            PlanError::Missing(_) => Exit::NothingMatched,
            PlanError::Taken(_) | PlanError::Changed { .. } | PlanError::Foreign { .. } => Exit::Refused,
            PlanError::Io { .. } => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
