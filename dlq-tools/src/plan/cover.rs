//! The cover of a plan: its first line and its hash, which is over all of it. Enough to tell what it is of, and by which name it is
//! called.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{Head, PlanError};

/// What a file begins with; the hash follows, and is over all that comes after it.
pub(crate) const BEGIN: &[u8] = b"{\"hash\":\"";
/// How many digits it has.
pub(super) const DIGITS: usize = 64;
/// The longest line: an event of a mebibyte, each byte of it escaped.
const LONGEST: u64 = 8 << 20;

/// What a plan says in its first line. Its hash was checked; what its entries say wasn't.
#[derive(Debug)]
pub struct Cover {
    path: PathBuf,
    hash: String,
    head: Head,
}

impl Cover {
    /// That of the plan at `path`.
    ///
    /// # Errors
    ///
    /// [`PlanError`] when it isn't exactly what was written.
    pub fn open(path: &Path) -> Result<Self, PlanError> {
        read(path, |_, _| Ok(())).map(|whole| whole.cover)
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

    /// Whether this is a beginning of the hash that nobody takes for another: at least 8 digits.
    #[must_use]
    pub fn is_called(&self, hash: &str) -> bool {
        hash.len() >= 8 && self.hash.starts_with(&hash.to_ascii_lowercase())
    }
}

/// A plan that was read to its end.
pub(super) struct Whole {
    pub(super) cover: Cover,
    pub(super) file: File,
    /// How many bytes it has.
    pub(super) bytes: u64,
}

/// Reads the plan at `path`, and shows each line after the first to `see`, with the place of its first byte.
pub(super) fn read(path: &Path, mut see: impl FnMut(u64, &[u8]) -> Result<(), String>) -> Result<Whole, PlanError> {
    let failed = |source| PlanError::Io { path: path.to_owned(), source };
    let foreign = |line, why: &dyn std::fmt::Display| {
        let why = why.to_string();
        PlanError::Foreign { path: path.to_owned(), line, why }
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(PlanError::Missing(path.to_owned())),
        Err(error) => return Err(failed(error)),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut hash = Sha256::new();
    let (mut line, mut at, mut number) = (Vec::new(), 0_u64, 0_usize);
    let (mut head, mut said) = (None, String::new());
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
            let seen = match (line.strip_suffix(b"\n"), number) {
                (None, _) => Err("it doesn't end".to_owned()),
                (Some(text), 1) => read_head(text).map(|read| head = Some(read)),
                (Some(text), _) => see(at, text),
            };
            wrong = seen.err().map(|why| (number, why));
        }
        at += read;
    }
    let found = format!("{:x}", hash.finalize());
    if number > 0 && found != said {
        return Err(PlanError::Changed { path: path.to_owned(), said, found });
    }
    if let Some((line, why)) = wrong {
        return Err(foreign(line, &why));
    }
    let head = head.ok_or_else(|| foreign(1, &"it is empty"))?;
    let cover = Cover { path: path.to_owned(), hash: found, head };
    Ok(Whole { cover, file: reader.into_inner(), bytes: at })
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
