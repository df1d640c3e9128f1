//! The file of a plan, read only as it was written.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{Action, Entry, Head, PlanError};

/// What a file begins with; the hash follows, and is over all that comes after it.
pub(crate) const BEGIN: &[u8] = b"{\"hash\":\"";
/// How many digits it has.
pub(super) const DIGITS: usize = 64;
/// The longest line: an event of a mebibyte, each byte of it escaped.
const LONGEST: u64 = 8 << 20;

/// A plan as it was written: its hash was checked.
#[derive(Debug)]
pub struct Plan {
    path: PathBuf,
    hash: String,
    head: Head,
    file: Mutex<File>,
    /// Where each entry begins, and where the last one ends.
    places: Vec<u64>,
    by_id: HashMap<u128, u32>,
    sends: Vec<bool>,
}

impl Plan {
    /// Reads and checks the plan at `path`.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it isn't exactly what was written.
    pub fn open(path: &Path) -> Result<Self, PlanError> {
        let failed = |source| PlanError::Io { path: path.to_owned(), source };
        let foreign = |line, why: &dyn std::fmt::Display| {
            let why = why.to_string();
            PlanError::Foreign { path: path.to_owned(), line, why }
        };
        let file = match OpenOptions::new().read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(PlanError::Missing(path.to_owned())),
            Err(error) => return Err(failed(error)),
        };
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut hash = Sha256::new();
        let (mut line, mut at, mut number) = (Vec::new(), 0_u64, 0_usize);
        let (mut head, mut said) = (None, String::new());
        let (mut places, mut by_id, mut sends) = (Vec::new(), HashMap::new(), Vec::new());
        // The hash is checked before anything is said about what stands there: whoever changed a plan hears of that.
        let mut wrong = None;
        loop {
            line.clear();
            let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(failed)? as u64;
            if read == 0 {
                break;
            }
            number += 1;
            let covered = match number {
                1 => {
                    let digits = line.get(BEGIN.len()..BEGIN.len() + DIGITS).filter(|_| line.starts_with(BEGIN));
                    let digits = digits.filter(|digits| digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                    let digits = digits.ok_or_else(|| foreign(1, &"it doesn't begin with a hash"))?;
                    said = String::from_utf8_lossy(digits).into_owned();
                    &line[BEGIN.len() + DIGITS..]
                }
                _ => &line[..],
            };
            hash.update(covered);
            if wrong.is_none() {
                let text = line.strip_suffix(b"\n");
                let read = match (text, number) {
                    (None, _) => Err("it doesn't end".to_owned()),
                    (Some(text), 1) => read_head(text).map(|read| head = Some(read)),
                    (Some(text), _) => {
                        serde_json::from_slice(text).map_err(|error| error.to_string()).and_then(|entry: Entry| {
                            let place = u32::try_from(places.len()).map_err(|_| "there are too many".to_owned())?;
                            if by_id.insert(brief(&entry.id), place).is_some() {
                                return Err("the same message id stands there twice".into());
                            }
                            places.push(at);
                            sends.push(entry.action == Action::Send);
                            Ok(())
                        })
                    }
                };
                wrong = read.err().map(|why| (number, why));
            }
            at += read;
        }
        places.push(at);
        let found = format!("{:x}", hash.finalize());
        if number > 0 && found != said {
            return Err(PlanError::Changed { path: path.to_owned(), said, found });
        }
        if let Some((line, why)) = wrong {
            return Err(foreign(line, &why));
        }
        let head = head.ok_or_else(|| foreign(1, &"it is empty"))?;
        let file = Mutex::new(reader.into_inner());
        Ok(Self { path: path.to_owned(), hash: found, head, file, places, by_id, sends })
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its hash: 64 hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What it is of.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
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
        let foreign = |why: String| PlanError::Foreign { path: self.path.clone(), line: place + 2, why };
        let [from, to] = self
            .places
            .get(place..place + 2)
            .and_then(|ends| <[u64; 2]>::try_from(ends).ok())
            .ok_or_else(|| foreign("there is none".into()))?;
        let mut line = vec![0; usize::try_from(to - from).unwrap_or_default()];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut line));
            read.map_err(|source| PlanError::Io { path: self.path.clone(), source })?;
        }
        serde_json::from_slice(&line).map_err(|error| foreign(error.to_string()))
    }

    /// All entries in their order.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry, PlanError>> + '_ {
        (0..u32::try_from(self.len()).unwrap_or(u32::MAX)).map(|place| self.entry(place))
    }

    /// Whether this is a beginning of the hash that nobody takes for another: at least 8 digits.
    #[must_use]
    pub fn is_called(&self, hash: &str) -> bool {
        hash.len() >= 8 && self.hash.starts_with(&hash.to_ascii_lowercase())
    }
}

/// The head's line without the hash.
fn read_head(line: &[u8]) -> Result<Head, String> {
    // `{"hash":"…",` gives way to the head's own brace.
    let rest = line.get(BEGIN.len() + DIGITS..).and_then(|rest| rest.strip_prefix(b"\","));
    let text = [b"{", rest.ok_or("nothing stands after the hash")?].concat();
    let head: Head = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match head.plan {
        1 => Ok(head),
        other => Err(format!("it is in format {other}, and this program knows format 1")),
    }
}

/// Half of an id's digest: a million whole ids are too much to remember, and no two of them share this.
pub(crate) fn brief(message_id: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(message_id).into();
    digest[..16].iter().fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}
