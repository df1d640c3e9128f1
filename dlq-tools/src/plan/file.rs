//! The file of a plan, read only as it was written.

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Deref,
    path::Path,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use uuid::{Uuid, fmt::Hyphenated};

use super::{
    Action, Entry, PlanError,
    cover::{self, Cover},
};

/// A plan as it was written: its hash was checked.
#[derive(Debug)]
pub struct Plan {
    cover: Cover,
    entries: Mutex<Lines>,
    /// Where each entry begins, and where the last one ends.
    places: Vec<u64>,
    by_id: HashMap<u128, u32>,
    sends: Vec<bool>,
}

/// A plan has all that its cover says.
impl Deref for Plan {
    type Target = Cover;

    fn deref(&self) -> &Cover {
        &self.cover
    }
}

impl Plan {
    /// Reads and checks the plan at `path`.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it isn't exactly what was written.
    pub fn open(path: &Path) -> Result<Self, PlanError> {
        let (mut places, mut by_id, mut sends) = (Vec::new(), HashMap::new(), Vec::new());
        let whole = cover::read(path, |at, text| {
            let entry: Entry = serde_json::from_slice(text).map_err(|error| error.to_string())?;
            let place = u32::try_from(places.len()).map_err(|_| "there are too many")?;
            if by_id.insert(brief(&entry.id), place).is_some() {
                return Err("the same message id stands there twice".into());
            }
            places.push(at);
            sends.push(entry.action == Action::Send);
            Ok(())
        })?;
        places.push(whole.bytes);
        let entries = Mutex::new(Lines { file: whole.file, ends: whole.bytes, at: 0, block: Vec::new() });
        Ok(Self { cover: whole.cover, entries, places, by_id, sends })
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sends.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Whether the entry at this place is sent.
    #[must_use]
    pub fn sends(&self, place: u32) -> bool {
        self.sends.get(place as usize).copied().unwrap_or_default()
    }

    /// The place of the entry with this message id.
    #[must_use]
    pub fn place(&self, message_id: &str) -> Option<u32> {
        self.by_id.get(&brief(message_id)).copied()
    }

    /// The entry at this place, from 0.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it can't be read any more, or there is none.
    pub fn entry(&self, place: u32) -> Result<Entry, PlanError> {
        let place = place as usize;
        let foreign = |why: String| PlanError::Foreign { path: self.path().to_owned(), line: place + 2, why };
        let [from, to] = self
            .places
            .get(place..place + 2)
            .and_then(|ends| <[u64; 2]>::try_from(ends).ok())
            .ok_or_else(|| foreign("there is none".into()))?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let line = entries.read(from, to).map_err(|source| PlanError::Io { path: self.path().to_owned(), source })?;
        serde_json::from_slice(line).map_err(|error| foreign(error.to_string()))
    }

    /// All entries in their order.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, PlanError>> + '_ {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(|place| self.entry(place))
    }
}

/// So many bytes are read at a time: some twenty entries. Letters mostly come in the order of their plan.
const BLOCK: u64 = 8 << 10;

/// The file, and what was read of it last.
#[derive(Debug)]
struct Lines {
    file: File,
    /// How many bytes it has.
    ends: u64,
    /// Where the block begins.
    at: u64,
    block: Vec<u8>,
}

impl Lines {
    /// The bytes between these two places.
    fn read(&mut self, from: u64, to: u64) -> io::Result<&[u8]> {
        let has = self.at..=self.at + self.block.len() as u64;
        if !(has.contains(&from) && has.contains(&to)) {
            let until = to.max(self.ends.min(from + BLOCK));
            self.block.resize(usize::try_from(until - from).map_err(io::Error::other)?, 0);
            // What a failed read leaves there is nothing.
            let read = read_at(&mut self.file, &mut self.block, from);
            if read.is_err() {
                self.block.clear();
            }
            read?;
            self.at = from;
        }
        let place = |at: u64| usize::try_from(at - self.at).map_err(io::Error::other);
        self.block.get(place(from)?..place(to)?).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// One call of the system instead of two.
#[cfg(unix)]
fn read_at(file: &mut File, line: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, line, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, line: &mut [u8], at: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(at)).and_then(|_| io::Read::read_exact(file, line))
}

/// A number instead of an id: a million whole ids are too much to remember, and no two of them share this. Of a UUID, as SQS
/// gives them, it is the UUID; of another text half of its digest.
pub(crate) fn brief(message_id: &str) -> u128 {
    let uuid = || Uuid::try_parse(message_id).ok();
    // One of several ways to write a UUID isn't another message.
    let is_plain = message_id.len() == Hyphenated::LENGTH && !message_id.bytes().any(|byte| byte.is_ascii_uppercase());
    if let Some(uuid) = is_plain.then(uuid).flatten() {
        return uuid.as_u128();
    }
    let digest: [u8; 32] = Sha256::digest(message_id).into();
    digest[..16].iter().fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_that_is_written_in_another_way_is_another_id() {
        let uuid = "5fea7756-0ea4-451a-a703-00000000000a";
        assert_eq!(brief(uuid), 0x5fea_7756_0ea4_451a_a703_0000_0000_000a);
        let others = [uuid.to_uppercase(), uuid.replace('-', ""), format!("{{{uuid}}}"), String::new()];
        let mut numbers: Vec<u128> = others.iter().map(|other| brief(other)).chain([brief(uuid)]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 5);
        // The first half of the digest of nothing.
        assert_eq!(brief(""), 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924);
    }

    proptest! {
        #[test]
        fn lines_are_read_in_any_order_whatever_their_lengths(
            lengths in prop::collection::vec(prop_oneof![0..400_usize, 0..40_000_usize], 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        ) {
            let bytes: Vec<u8> = (0..lengths.iter().sum()).map(|n: usize| (n % 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let mut lines = Lines { file, ends: bytes.len() as u64, at: 0, block: Vec::new() };
            for index in order {
                let line = index.index(lengths.len());
                let from: usize = lengths[..line].iter().sum();
                let to = from + lengths[line];
                prop_assert_eq!(lines.read(from as u64, to as u64).unwrap(), &bytes[from..to]);
            }
            // One that was cut off since.
            lines.block.clear();
            lines.file.set_len(0).unwrap();
            prop_assert!(bytes.is_empty() || lines.read(0, bytes.len() as u64).is_err());
        }
    }
}
