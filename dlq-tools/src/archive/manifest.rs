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
    #[serde(alias = "who")]
    pub by: String,
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
    #[serde(alias = "sha256")]
    pub hash: String,
    /// The SHA-256 of its lines, not compressed.
    #[serde(alias = "lines_sha256")]
    pub lines_hash: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_by_the_names_that_its_fields_had_before() {
        let manifest = Manifest {
            format: FORMAT,
            written_by: "0.1.0".into(),
            deployment: "a test".into(),
            queue: "email-dlq".into(),
            selection: Vec::new(),
            snapshot_at: Timestamp::UNIX_EPOCH,
            by: "grace".into(),
            at: Timestamp::UNIX_EPOCH,
            count: 1,
            first: None,
            last: None,
            bytes: 1,
            hash: hex::encode([1; 32]),
            lines_hash: hex::encode([2; 32]),
        };
        let text = serde_json::to_string(&manifest).unwrap();
        let old = text.replace("\"by\"", "\"who\"").replace("\"hash\"", "\"sha256\"");
        let old = old.replace("\"lines_hash\"", "\"lines_sha256\"");
        assert_ne!(old, text);
        for text in [text, old] {
            assert_eq!(Manifest::read(text.as_bytes()), Ok(manifest.clone()));
        }
    }
}
