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

use super::{
    Action, Entry, PlanError,
    cover::{self, Cover},
};

/// A plan as it was written: its hash was checked.
#[derive(Debug)]
pub struct Plan {
    cover: Cover,
    file: Mutex<File>,
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
        Ok(Self { cover: whole.cover, file: Mutex::new(whole.file), places, by_id, sends })
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
        let mut line = vec![0; usize::try_from(to - from).unwrap_or_default()];
        let read = read_at(&mut self.file.lock().unwrap_or_else(PoisonError::into_inner), &mut line, from);
        read.map_err(|source| PlanError::Io { path: self.path().to_owned(), source })?;
        serde_json::from_slice(&line).map_err(|error| foreign(error.to_string()))
    }

    /// All entries in their order.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, PlanError>> + '_ {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(|place| self.entry(place))
    }
}

/// One call of the system instead of two: a run reads each entry by itself.
#[cfg(unix)]
fn read_at(file: &mut File, line: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, line, at)
}

#[cfg(not(unix))]
fn read_at(file: &mut File, line: &mut [u8], at: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(at)).and_then(|_| io::Read::read_exact(file, line))
}

/// Half of an id's digest: a million whole ids are too much to remember, and no two of them share this.
pub(crate) fn brief(message_id: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(message_id).into();
    digest[..16].iter().fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
