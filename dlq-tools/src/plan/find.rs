//! Which plan somebody means.

use std::path::Path;

use sendoff_host::{Exit, Stopped};

use super::{Cover, folder};

/// The cover of the plan at this path, of this name in the work folder, or whose hash begins so (with 8 digits or more).
///
/// # Errors
///
/// When there is none, or it can't be read.
pub fn find(work: &Path, here: &Path, named: &str) -> Result<Cover, Stopped> {
    let plans = folder(work);
    let places = [here.join(named), plans.join(named), plans.join(format!("{named}.plan"))];
    if let Some(path) = places.iter().find(|path| path.is_file()) {
        return Ok(Cover::open(path)?);
    }
    let missing = || {
        let why = format!(
            "there is no plan `{}`, neither as a file nor in {}; `dlq plan` makes one",
            named.escape_debug(),
            plans.display()
        );
        Stopped::new(Exit::NothingMatched, why)
    };
    if named.len() < 8 || !named.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(missing());
    }
    let entries = std::fs::read_dir(&plans).map_err(|_| missing())?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "plan"));
    paths.sort();
    // One that can't be read isn't the one that is meant.
    paths.iter().filter_map(|path| Cover::open(path).ok()).find(|plan| plan.is_called(named)).ok_or_else(missing)
}
