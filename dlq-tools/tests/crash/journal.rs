//! The journal of a run, read from outside while it grows.

use std::{
    collections::HashSet,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// Where a run is between its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Letters are about to be sent, and nothing says that they were.
    Sending,
    /// Letters were sent, and nothing says that they were deleted.
    Deleting,
    /// Neither.
    Between,
}

/// What its lines said so far.
#[derive(Default)]
pub(super) struct Journal {
    /// Bytes of whole lines.
    whole: u64,
    lines: u64,
    last: Option<Phase>,
    /// Whether the latest process has written anything.
    has_begun: bool,
    intended: HashSet<u64>,
    sent: HashSet<u64>,
    is_torn: bool,
}

impl Journal {
    /// Reads what was added. A last line that isn't whole is read once it is.
    pub(super) fn read(&mut self, path: &Path) {
        let Ok(mut file) = File::open(path) else { return };
        let mut added = Vec::new();
        file.seek(SeekFrom::Start(self.whole)).and_then(|_| file.read_to_end(&mut added)).expect("readable");
        let end = added.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        self.is_torn = end < added.len();
        self.whole += end as u64;
        for line in added[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.take(&serde_json::from_slice(line).expect("a whole line is JSON"));
        }
    }

    fn take(&mut self, line: &serde_json::Value) {
        self.lines += 1;
        let places = || line["n"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64);
        match line["step"].as_str() {
            Some("begun") => {
                self.has_begun = true;
                self.intended.clear();
                self.sent.clear();
            }
            Some("intent") => {
                self.intended.extend(places());
                self.last = Some(Phase::Sending);
            }
            Some("sent") => {
                for place in places() {
                    self.intended.remove(&place);
                }
                self.sent.extend(places());
                self.last = Some(Phase::Deleting);
            }
            Some("unsent" | "unknown" | "deleted" | "gone" | "skipped") => {
                for place in places() {
                    self.intended.remove(&place);
                    self.sent.remove(&place);
                }
                self.last = Some(Phase::Between);
            }
            _ => self.last = Some(Phase::Between),
        }
    }

    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// What its last line is about.
    pub(super) const fn last(&self) -> Option<Phase> {
        self.last
    }
}

/// Where the kills struck.
#[derive(Debug, Clone, Default)]
pub(super) struct Struck {
    /// How many there were.
    pub(super) kills: u64,
    /// Before the process had written anything.
    pub(super) starting: u64,
    /// While letters were being sent.
    pub(super) sending: u64,
    /// While letters that were sent weren't deleted.
    pub(super) deleting: u64,
    /// At neither.
    pub(super) between: u64,
    /// In the middle of a line.
    pub(super) torn: u64,
}

impl Struck {
    /// Counts a kill, by what the journal says after it.
    pub(super) fn count(&mut self, journal: &mut Journal) {
        self.kills += 1;
        self.torn += u64::from(journal.is_torn);
        if !std::mem::take(&mut journal.has_begun) {
            self.starting += 1;
            return;
        }
        let (sending, deleting) = (!journal.intended.is_empty(), !journal.sent.is_empty());
        self.sending += u64::from(sending);
        self.deleting += u64::from(deleting);
        self.between += u64::from(!sending && !deleting);
    }

    /// Both together.
    pub(super) const fn and(&self, other: &Self) -> Self {
        Self {
            kills: self.kills + other.kills,
            starting: self.starting + other.starting,
            sending: self.sending + other.sending,
            deleting: self.deleting + other.deleting,
            between: self.between + other.between,
            torn: self.torn + other.torn,
        }
    }
}
