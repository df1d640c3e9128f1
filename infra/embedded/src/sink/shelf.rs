//! Received things, one file each: whole or not there at all, durable, and readable by their owner only.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use sendoff_events::{Rng, Timestamp};
use uuid::{Builder, Uuid};

use crate::db::folder::{create_private, private_file, sync};

/// A folder of files whose names are UUIDs that sort by time.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    /// What a thing on it is called: `mail`.
    what: &'static str,
    /// The command that lists them.
    lister: &'static str,
    /// What the files' names end with.
    ending: &'static str,
    folder: PathBuf,
}

/// What was received can't be shown, or kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is no such thing.
    #[error("there is no {what} `{id}`; `{lister}` lists them all")]
    NotFound {
        /// What it is.
        what: &'static str,
        /// What was asked for.
        id: String,
        /// How to list them.
        lister: &'static str,
    },
    /// Several ids begin so.
    #[error("{count} of them have an id that begins with `{id}`: give more of it")]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// How many there are.
        count: usize,
    },
    /// The folder or a file in it can't be read or written.
    #[error("{} can't be used: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Shelf {
    /// The shelf in this folder, which is made when the first thing comes.
    pub(super) const fn new(folder: PathBuf, ending: &'static str, what: &'static str, lister: &'static str) -> Self {
        Self { what, lister, ending, folder }
    }

    /// Stores a file of these parts. When it has returned, the file survives a crash; before that, nobody sees any of it.
    pub(super) fn store(&self, id: Uuid, parts: &[&[u8]]) -> Result<(), ShelfError> {
        create_private(&self.folder).map_err(|source| ShelfError::Io { path: self.folder.clone(), source })?;
        let (path, unfinished) = (self.path(id), self.folder.join(format!(".{id}.tmp")));
        let write = || -> io::Result<()> {
            let mut file = private_file().create_new(true).open(&unfinished)?;
            parts.iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            sync(&self.folder)
        };
        write().map_err(|source| {
            // What can't be removed is hidden by its name, and harmless.
            let _ = fs::remove_file(&unfinished);
            ShelfError::Io { path, source }
        })
    }

    /// Every id, the oldest first.
    pub(super) fn ids(&self) -> Result<Vec<Uuid>, ShelfError> {
        let failed = |source| ShelfError::Io { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(self.ending)).and_then(|n| n.strip_suffix('.'));
            ids.extend(stem.and_then(|stem| Uuid::try_parse(stem).ok()));
        }
        ids.sort();
        Ok(ids)
    }

    /// The id that reads so, or the only one that begins so.
    pub(super) fn find(&self, id: &str) -> Result<Uuid, ShelfError> {
        let wanted = id.to_ascii_lowercase();
        let mut found = self.ids()?;
        found.retain(|id| id.to_string().starts_with(&wanted));
        match &*found {
            [only] => Ok(*only),
            [] => Err(ShelfError::NotFound { what: self.what, id: id.into(), lister: self.lister }),
            several => Err(ShelfError::Ambiguous { id: id.into(), count: several.len() }),
        }
    }

    /// What stands in the file of this id.
    pub(super) fn load(&self, id: Uuid) -> Result<Vec<u8>, ShelfError> {
        let path = self.path(id);
        fs::read(&path).map_err(|source| ShelfError::Io { path, source })
    }

    pub(super) fn path(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}.{}", self.ending))
    }
}

/// A fresh id of version 7 (RFC 9562 § 5.7).
pub(super) fn fresh_id(at: Timestamp, rng: &dyn Rng) -> Uuid {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
    random[8..].copy_from_slice(&rng.next_u64().to_le_bytes()[..2]);
    Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap_or(0), &random).into_uuid()
}

/// The time in a UUID of version 7 (RFC 9562 § 5.7).
pub(super) fn time_of(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
