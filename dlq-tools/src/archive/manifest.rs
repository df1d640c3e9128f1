//! What an archive is of, and how to tell that it is whole: a small JSON document beside it.

use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of the archives that this program writes.
pub const FORMAT: u32 = 1;

/// What stands beside an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the archive: [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub written_by: String,
    /// The deployment that its letters are of.
    pub deployment: String,
    /// The queue that they were in.
    pub queue: String,
    /// Which letters were chosen, as it was typed.
    pub selection: Vec<String>,
    /// When the snapshot was taken that they were copied from.
    pub snapshot_at: Timestamp,
    /// Who wrote it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// How many letters there are, one a line.
    pub count: u64,
    /// When the broker began to count the age of the oldest of them.
    pub first: Option<Timestamp>,
    /// And of the newest.
    pub last: Option<Timestamp>,
    /// How many bytes the archive has.
    pub bytes: u64,
    /// The SHA-256 of the archive as it lies there, as 64 hexadecimal digits: its hash.
    pub sha256: String,
    /// The SHA-256 of its lines, not compressed.
    pub lines_sha256: String,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("it is of format {}, and this program reads {FORMAT}", manifest.format));
        }
        Ok(manifest)
    }
}

/// 64 hexadecimal digits.
#[must_use]
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
