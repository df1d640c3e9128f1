//! What people want of a run while it runs: go on, wait, or end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

/// What somebody wants of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wanted", rename_all = "kebab-case")]
pub enum Wanted {
    /// To go on.
    #[default]
    Go,
    /// To wait, in its process.
    Wait {
        /// Who wants it.
        by: String,
    },
    /// To end its process, and to be gone on with later.
    Leave,
    /// To end for good.
    Abort {
        /// Who wants it.
        by: String,
    },
}

/// Asked what is wanted, about each second.
pub trait Control: Send + Sync {
    /// What is wanted now.
    fn wanted(&self) -> Wanted;
}

/// The file `control` in a run's folder, and a flag that a signal sets.
pub struct FileControl {
    path: PathBuf,
    /// Set when the process is asked to end.
    pub leave: std::sync::Arc<AtomicBool>,
}

impl FileControl {
    /// That of the run in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("control"), leave: std::sync::Arc::default() }
    }
}

impl Control for FileControl {
    fn wanted(&self) -> Wanted {
        if self.leave.load(Ordering::Relaxed) {
            return Wanted::Leave;
        }
        read(&self.path)
    }
}

/// What is wanted of the run in this folder.
#[must_use]
pub fn wanted(folder: &Path) -> Wanted {
    read(&folder.join("control"))
}

/// A file that isn't there says nothing; it appears as a whole.
fn read(path: &Path) -> Wanted {
    fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Says what is wanted of the run in this folder.
///
/// # Errors
///
/// When the file can't be written.
pub fn want(folder: &Path, wanted: &Wanted) -> io::Result<()> {
    let text = serde_json::to_vec(wanted)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, &text)?;
    file.persist(folder.join("control")).map(drop).map_err(|error| error.error)
}
