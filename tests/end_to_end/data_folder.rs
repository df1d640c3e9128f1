use std::{fs, path::Path};

use crate::{program::run, server::Server};

/// A folder with the data of a run, and its data file.
fn used() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), ["demo"]).with(0);
    let file = folder.path().join("sendoff.db");
    (folder, file)
}

fn refused(folder: &Path, code: i32, why: &str) {
    let ended = run(folder, ["--listen", "127.0.0.1:0"]);
    assert_eq!(ended.with(code), "");
    assert!(ended.err.contains(why), "{}", ended.err);
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    refused(folder.path(), 5, "is using this data folder");
    assert_eq!(server.process.stop("TERM"), Some(0));
}

#[test]
fn a_truncated_data_file_is_refused_and_left_as_it_is() {
    let (folder, file) = used();
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    refused(folder.path(), 5, "the data file is cut off");
    assert_eq!(fs::read(&file).unwrap(), &bytes[..bytes.len() / 2]);
}

#[test]
fn a_data_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (folder, file) = used();
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    let before = fs::read(&file).unwrap();
    refused(folder.path(), 5, "the data has version 9999");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_is_no_data_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sendoff.db"), "Dear diary, today I was a text file.").unwrap();
    refused(folder.path(), 5, "this is not a SQLite file");
}

#[test]
fn looking_at_a_folder_without_data_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = run(folder.path(), ["trace", "01938d1e-7b2c-7000-8000-000000000000"]);
    nothing.with(7);
    assert!(nothing.err.contains("there is no data here yet"), "{}", nothing.err);
    run(folder.path(), ["mail", "ls"]).with(4);
}
