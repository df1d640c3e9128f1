//! The leases that a run holds, kept beside its journal: whoever goes on with a run whose process was killed knows them, and needn't
//! wait for their end.
//!
//! This only saves time. A lease that isn't known here is waited for, so nothing waits for the disk, and what can't be written or
//! read is left out. One that is known here and has ended does no harm either: its receipt does nothing any more.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sendoff_consumers::{Receipt, TakenLetter};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

/// How many bytes a file may have before another one is begun; only the one before it is kept. Many times what is under way at once.
const MOST: u64 = 4 << 20;

/// A lease, as it was last kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Of which message, if that is known.
    pub message_id: Option<String>,
    /// What it is given back by.
    pub receipt: Receipt,
    /// When it ends.
    pub until: Timestamp,
}

/// Where the leases of a run are kept. What is said last of a receipt counts.
pub trait Leases: Send + Sync {
    /// These were taken, until then.
    fn took(&self, letters: &[TakenLetter], until: Timestamp);

    /// These end then: they were prolonged, or given back.
    fn end(&self, receipts: &[Receipt], until: Timestamp);

    /// All that are known, whichever process kept them.
    fn known(&self) -> Vec<Lease>;

    /// Forgets all of them: none of them matters any more.
    fn forget(&self);
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    until: Timestamp,
    #[serde(borrow)]
    receipts: Vec<Cow<'a, str>>,
    /// Of which messages, in the same order; nothing when that isn't known.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    ids: Vec<Cow<'a, str>>,
}

/// Leases in a file, which only its owner can read.
pub struct FileLeases {
    path: PathBuf,
    /// How many bytes the file has, as far as this process has written them; `None` before it has.
    open: Mutex<Option<(File, u64)>>,
}

impl FileLeases {
    /// Those in the file at this path, and in the one before it.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::default() }
    }

    fn before(&self) -> PathBuf {
        self.path.with_extension("before")
    }

    fn write(&self, line: &Line<'_>) {
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|(_, size)| *size >= MOST) {
            *open = None;
            let _ = fs::rename(&self.path, self.before());
        }
        if open.is_none() {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            *open = options.open(&self.path).ok().map(|file| (file, 0));
        }
        if let Some((file, size)) = open.as_mut() {
            let _ = file.write_all(&text);
            *size += text.len() as u64;
        }
    }
}

impl Leases for FileLeases {
    fn took(&self, letters: &[TakenLetter], until: Timestamp) {
        let receipts = letters.iter().map(|taken| taken.receipt.as_str().into()).collect();
        let ids = letters.iter().map(|taken| taken.letter.message_id.as_str().into()).collect();
        self.write(&Line { until, receipts, ids });
    }

    fn end(&self, receipts: &[Receipt], until: Timestamp) {
        let receipts = receipts.iter().map(|receipt| receipt.as_str().into()).collect();
        self.write(&Line { until, receipts, ids: Vec::new() });
    }

    fn known(&self) -> Vec<Lease> {
        let mut known: BTreeMap<String, Lease> = BTreeMap::new();
        for path in [self.before(), self.path.clone()] {
            let text = fs::read(path).unwrap_or_default();
            // A line that is torn says nothing.
            let lines = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            for Line { until, receipts, ids } in lines {
                let mut ids = ids.into_iter().map(Cow::into_owned);
                for text in receipts {
                    let (message_id, receipt) = (ids.next(), Receipt::new(&*text));
                    let lease = known.entry(text.into_owned()).or_insert(Lease { message_id: None, receipt, until });
                    lease.until = until;
                    lease.message_id = message_id.or(lease.message_id.take());
                }
            }
        }
        known.into_values().collect()
    }

    fn forget(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = fs::remove_file(self.before());
        let _ = fs::remove_file(&self.path);
    }
}
