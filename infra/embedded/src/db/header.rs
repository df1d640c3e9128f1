//! A look at the data file before `SQLite` opens it, so that a wrong file is refused with a clear message and never touched.
//! The layout: <https://www.sqlite.org/fileformat2.html#the_database_header>.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read as _},
    ops::RangeInclusive,
    path::Path,
};

use super::open_error::OpenError;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const LENGTH: usize = 100;

/// Checks that `path` is empty, or a `SQLite` file of which nothing is missing at the end.
pub(crate) fn check(path: &Path) -> Result<(), OpenError> {
    let unreadable = |source| OpenError::Folder { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?.len();
    if found == 0 {
        return Ok(());
    }
    let mut header = Vec::with_capacity(LENGTH);
    file.by_ref().take(LENGTH as u64).read_to_end(&mut header).map_err(unreadable)?;
    let start = header.len().min(MAGIC.len());
    if header[..start] != MAGIC[..start] {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    let Some((page_bytes, pages)) = size(&header) else {
        return Err(OpenError::Truncated { path: path.to_owned(), expected: LENGTH as u64, found });
    };
    let expected = page_bytes * pages;
    // A crash while the log was being written back leaves the file short; then the log has all that is missing.
    if found < expected && !log_has(path, page_bytes, found / page_bytes + 1..=pages).map_err(unreadable)? {
        return Err(OpenError::Truncated { path: path.to_owned(), expected, found });
    }
    Ok(())
}

/// The page size and the count of pages, or `None` when the header isn't complete.
fn size(header: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let page_bytes = match u16::from_be_bytes(header.get(16..18)?.try_into().ok()?) {
        1 => 65536,
        bytes => u64::from(bytes),
    };
    let (changes, pages, valid_for) = (number(24)?, number(28)?, number(92)?);
    (header.len() == LENGTH).then_some(())?;
    // A file written by a version before 3.7.0 doesn't keep the count; ours always do.
    Some((page_bytes, if changes == valid_for { u64::from(pages) } else { 0 }))
}

/// Whether the log beside the file holds all these pages
/// (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
fn log_has(path: &Path, page_bytes: u64, mut pages: RangeInclusive<u64>) -> io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let mut log = match File::open(log) {
        Ok(log) => BufReader::new(log),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let mut header = [0; 32];
    let mut frame = [0; 24];
    let mut logged = HashSet::new();
    if fill(&mut log, &mut header)? {
        // Frames of an earlier use of the log carry another salt.
        while fill(&mut log, &mut frame)? && frame[8..16] == header[16..24] {
            logged.insert(u64::from(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])));
            log.seek_relative(i64::try_from(page_bytes).unwrap_or(i64::MAX))?;
        }
    }
    Ok(pages.all(|page| logged.contains(&page)))
}

/// Reads exactly as many bytes as there is room for. Gives whether there were so many.
fn fill(file: &mut impl io::Read, room: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(room) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}
