//! A look at the data file before `SQLite` opens it, so that a wrong file is refused with a clear message and never touched.
//! The layout: <https://www.sqlite.org/fileformat2.html#the_database_header>.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::open::OpenError;

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
    // While a log stands beside the file, the missing pages may be in it; then SQLite itself will judge.
    if found < expected && !has_log(path).map_err(unreadable)? {
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

fn has_log(path: &Path) -> io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(log) => Ok(log.len() > 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
