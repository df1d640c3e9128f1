//! The data folder: who may read it, and who serves it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::open_error::OpenError;

/// The data file's name in the folder.
pub(crate) const DATA_FILE: &str = "sendoff.db";
/// The folder of claim-check payloads.
pub(crate) const BLOBS: &str = "blobs";
const LOCK_FILE: &str = "sendoff.lock";

/// The file in a data folder that nobody but `load` has served: what waits in it may go to a sink. Whoever serves the folder takes it
/// away, and `load` puts it back where the mark was there before.
pub const LOAD_MARK: &str = "made-by-load";

/// Creates a folder, and those above it, that only its owner may enter: it holds personal data. What was created survives a
/// power cut.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|above| !above.exists()).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // A new folder is an entry of the one above it.
    missing.iter().filter_map(|created| created.parent()).try_for_each(sync)
}

/// Makes the folder's entries durable. Windows does that by itself, and can't open a folder as a file.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    // A relative path of one name has an empty parent.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Options to create a file that only its owner may read and write.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the folder's lock for this process. It lasts as long as the file is open, and ends with the process.
pub(crate) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK_FILE);
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    let mut file = private_file().create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let pid = file.read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
            return Err(OpenError::Locked { folder: folder.to_owned(), holder: Holder(pid) });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // The number only helps whoever is refused; the lock is what counts.
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

/// Takes away the mark of `load`: from now on messages may wait here that are meant for somebody. That survives a power cut.
pub(crate) fn unmark(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(LOAD_MARK)) {
        Ok(()) => sync(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates the data file if it isn't there, before `SQLite` would with wider permissions. `SQLite` gives its log the same.
pub(crate) fn data_file(folder: &Path) -> Result<PathBuf, OpenError> {
    let path = folder.join(DATA_FILE);
    match private_file().create(true).truncate(false).open(&path) {
        Ok(_) => Ok(path),
        Err(source) => Err(OpenError::Folder { path, source }),
    }
}

/// The process that holds the lock, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder(pub Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}
