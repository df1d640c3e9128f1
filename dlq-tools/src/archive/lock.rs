//! One process at a time in a folder of the work folder. The lock ends with the process, however it ends.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use sendoff_host::{Exit, Stopped};

use crate::deployment::private_folder;

/// Locks the folder, made if it isn't there.
///
/// # Errors
///
/// With [`Exit::Refused`] when another process has it.
pub fn lock(folder: &Path) -> Result<File, Stopped> {
    let failed = |error| Stopped::failed(format_args!("{} can't be used: {error}", folder.display()));
    private_folder(folder).map_err(failed)?;
    let file = File::create(folder.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let why = "another process is at it already: wait for it to end";
            Err(Stopped::new(Exit::Refused, format_args!("{}: {why}", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
