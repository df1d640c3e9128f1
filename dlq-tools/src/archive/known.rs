//! Which archives were written from this work folder, by their hashes, so that a purge can find the one that it is told.

use std::{fs, io, path::Path};

use sendoff_host::{Exit, Stopped};
use serde::{Deserialize, Serialize};

use super::{manifest::Manifest, place::Place};
use crate::deployment::private_folder;

/// How many digits of a hash have to be given.
pub const LEAST_DIGITS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Known {
    place: String,
    manifest: Manifest,
}

/// Notes where an archive was written.
///
/// # Errors
///
/// When the work folder can't be written.
pub fn remember(work: &Path, place: &Place, manifest: &Manifest) -> io::Result<()> {
    let folder = work.join("archives");
    private_folder(&folder)?;
    let known = Known { place: place.address(), manifest: manifest.clone() };
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    serde_json::to_writer_pretty(&mut file, &known)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(format!("{}.json", manifest.hash)))?;
    Ok(())
}

/// Checks that a text can be a hash, or enough of its beginning.
///
/// # Errors
///
/// With [`Exit::Usage`].
pub fn check_hash(hash: &str) -> Result<(), Stopped> {
    let digits = hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if digits && (LEAST_DIGITS..=64).contains(&hash.len()) {
        return Ok(());
    }
    Err(Stopped::new(
        Exit::Usage,
        format_args!(
            "--archive takes the hash that `dlq archive` printed, or at least {LEAST_DIGITS} digits of its beginning, in lower case"
        ),
    ))
}

/// Where the archive with this hash, or this beginning of one, was written from here.
///
/// # Errors
///
/// With [`Exit::NothingMatched`] when none was, or several were.
pub fn find(work: &Path, hash: &str) -> Result<Place, Stopped> {
    let none = |why: &str| {
        Stopped::new(
            Exit::NothingMatched,
            format_args!(
                "{why} with the hash {hash} was written from this work folder; name it with --from FILE or --from s3://BUCKET/KEY"
            ),
        )
    };
    let entries = fs::read_dir(work.join("archives")).map_err(|_| none("no archive"))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(hash) && name.ends_with(".json"))
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    let [name] = &names[..] else {
        return Err(none(if names.is_empty() { "no archive" } else { "more than one archive" }));
    };
    let known = fs::read(name).map_err(|error| error.to_string());
    let known = known.and_then(|text| serde_json::from_slice::<Known>(&text).map_err(|error| error.to_string()));
    known.and_then(|known| known.place.parse()).map_err(|why: String| {
        Stopped::failed(format_args!("{} can't be read: {why}; name the archive with --from", name.display()))
    })
}
