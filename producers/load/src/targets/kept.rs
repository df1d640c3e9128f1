//! The folder in which a system of our own keeps its data: one that `load` has made, and no other.
//!
//! Whatever waits in a folder is handled when its system starts, and all that this would send goes to a sink. In the folder of a real
//! system, messages would be done that nobody ever gets. So whoever serves a folder takes the mark away, and only after our own system
//! has started over a folder of ours it is put back.

use std::{fs, io, path::Path};

use sendoff_embedded::LOAD_MARK;

use crate::target::TargetError;

const SAYS: &str = "The data of a system that `load` has started. Nothing that happens in it is sent to anybody.\n";

const WHAT: &str = "making the folder of --keep-data";

/// Whether `load` has made this folder, and nobody else has served it.
#[must_use]
pub fn is_kept(folder: &Path) -> bool {
    folder.join(LOAD_MARK).is_file()
}

/// Makes the folder and marks it, unless that was done before.
pub(super) fn claim(folder: &Path) -> Result<(), TargetError> {
    let failed = |error: io::Error| TargetError::unusable(WHAT, error);
    if is_kept(folder) {
        return Ok(());
    }
    let has_something = match fs::read_dir(folder) {
        Ok(entries) => entries.count() > 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(failed)?;
            false
        }
        Err(error) => return Err(failed(error)),
    };
    if has_something {
        let why = format!(
            "{} has something in it, and no run of `load` has made it, or it was served since: what waits there would be handled, and \
             nobody would get it. Name a folder that isn't there yet; a system that is served from its folder is named by --backend \
             sqlite:DIR",
            folder.display()
        );
        return Err(TargetError::forbidden("using the folder of --keep-data", why));
    }
    mark(folder)
}

/// Marks a folder that is ours: one that was claimed, and that our own system serves now.
pub(super) fn mark(folder: &Path) -> Result<(), TargetError> {
    fs::write(folder.join(LOAD_MARK), SAYS).map_err(|error| TargetError::unusable(WHAT, error))
}
