//! Choosing letters: the flags that every verb shares, and conditions in CEL. One way for all verbs, so that each acts on exactly
//! what `grep` with the same flags shows.

use std::ops::ControlFlow;

use clap::Args;
use sendoff_events::Clock;
use sendoff_host::{Exit, Stopped};

use crate::{letter::Letter, snapshot::Snapshot};

/// Which letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Which letters (all that are given have to fit)")]
pub struct Selection {
    /// A condition in CEL over `envelope`, `data`, `failure`, `ledger` and `message`, such as
    /// `failure.reason == "bad-template" && data.app == "crm"`
    #[arg(long = "where", value_name = "CEL")]
    pub condition: Option<String>,
    /// With this event type; without a version, all versions of it
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Of this tenant
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// That failed at or after this moment, or so long ago: `2026-11-26T03:00:00Z`, `2h`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// That failed before this moment, or longer ago than this
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// With this reason
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// In this group: a fingerprint that `dlq groups` shows, or a beginning of it that no other group has
    #[arg(long, value_name = "FINGERPRINT")]
    pub group: Option<String>,
    /// With this message id or event id; may be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<String>,
}

/// A selection that is ready to be asked.
pub struct Selector {
    selection: Selection,
}

impl Selector {
    /// Checks and prepares the selection.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`] when a condition or a time makes no sense, and where.
    pub fn new(selection: &Selection, _clock: &dyn Clock) -> Result<Self, Stopped> {
        Ok(Self { selection: selection.clone() })
    }

    /// Whether the letter is one of them.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`] when the condition comes to no yes or no for this letter.
    pub fn matches(&self, _letter: &Letter) -> Result<bool, Stopped> {
        let _ = &self.selection;
        Err(Stopped::new(Exit::Failed, "not built yet"))
    }
}

/// Shows the chosen letters of a snapshot to `see`, in the order of message ids, until it has seen enough. Gives how many it saw.
///
/// # Errors
///
/// When the snapshot can't be read or the condition fails, or what `see` fails with.
pub fn each(
    snapshot: &Snapshot,
    selector: &Selector,
    mut see: impl FnMut(Letter) -> Result<ControlFlow<()>, Stopped>,
) -> Result<u64, Stopped> {
    let mut seen = 0;
    snapshot.each(|letter| {
        if !selector.matches(&letter)? {
            return Ok(ControlFlow::Continue(()));
        }
        seen += 1;
        see(letter)
    })?;
    Ok(seen)
}
