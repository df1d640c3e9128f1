//! Writing an archive: lines, compressed, into a file that has no name until it is whole.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use sendoff_events::Timestamp;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::line::Line;
use crate::letter::Letter;

const LEVEL: i32 = 3;

/// An archive in the making. A few letters are in memory at a time. Dropped before it is finished, it leaves nothing behind.
pub struct Writer {
    lines: zstd::Encoder<'static, Hashing>,
    plain: Sha256,
    count: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// An archive that is whole and on the disk, but has no name yet.
pub struct Written {
    /// The file.
    pub file: NamedTempFile,
    /// How many letters there are.
    pub count: u64,
    /// When the oldest was put into a queue.
    pub first: Option<Timestamp>,
    /// And the newest.
    pub last: Option<Timestamp>,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its hash.
    pub hash: String,
    /// That of its lines.
    pub lines_hash: String,
}

impl Writer {
    /// Begins one in this folder, which has to be there: that of its later name.
    ///
    /// # Errors
    ///
    /// When no file can be made there.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix(".archive-").tempfile_in(folder)?;
        let mut lines =
            zstd::Encoder::new(Hashing { to: BufWriter::new(file), digest: Sha256::new(), bytes: 0 }, LEVEL)?;
        lines.include_checksum(true)?;
        Ok(Self { lines, plain: Sha256::new(), count: 0, first: None, last: None })
    }

    /// Adds a letter.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn add(&mut self, letter: &Letter) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line::from(letter))?;
        line.push(b'\n');
        self.plain.update(&line);
        self.lines.write_all(&line)?;
        self.count += 1;
        let at = letter.message.enqueued_at;
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        Ok(())
    }

    /// Ends it, with all of it on the disk.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn finish(self) -> io::Result<Written> {
        let Hashing { to, digest, bytes } = self.lines.finish()?;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        let (hash, lines_hash) = (hex::encode(digest.finalize()), hex::encode(self.plain.finalize()));
        Ok(Written { file, count: self.count, first: self.first, last: self.last, bytes, hash, lines_hash })
    }
}

struct Hashing {
    to: BufWriter<NamedTempFile>,
    digest: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
