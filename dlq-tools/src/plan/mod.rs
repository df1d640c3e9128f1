//! What a replay would do, as a file: to be read, to be approved, and to be carried out exactly as it stands.
//!
//! A plan is lines of JSON: the [`Head`], then one [`Entry`] per letter, those that are lost first at the top. Its hash is over every
//! byte of it, so a plan that was looked at can't become another one.

mod approval;
mod cover;
mod draft;
mod entry;
mod error;
mod file;
mod find;
mod forecast;
mod head;
mod make;
mod overtaken;
mod subscribers;

use std::path::{Path, PathBuf};

pub(crate) use approval::{APPROVALS, is_same_person};
pub use approval::{Approval, approvals, approve};
pub(crate) use cover::BEGIN;
pub use cover::Cover;
pub use draft::Draft;
pub use entry::{Action, BodyDigest, Entry, Forecast};
pub use error::PlanError;
pub use file::Plan;
pub(crate) use file::brief;
pub use find::find;
pub use forecast::{Seen, Wish, forecast};
pub use head::{Estimate, Head, OtherSubscriber, Stops, To};
pub use make::{Order, Planned};

/// The folder of plans in a work folder.
#[must_use]
pub fn folder(work: &Path) -> PathBuf {
    work.join("plans")
}
