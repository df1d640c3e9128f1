//! Where a run keeps what it has to remember: `.sendoff-load/RUN/`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sendoff_events::EventId;
use sendoff_host::{Exit, Stopped};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    RunId,
    report::{Report, plain},
};

/// The folder of one run.
pub(super) struct Folder {
    path: PathBuf,
    events: Mutex<List>,
}

/// The list of what was accepted. As long as it is open it is locked: the run is going on.
struct List {
    file: BufWriter<File>,
    /// Whether it is that of this run. One that was broken off may have left one under this name: it is what cleaning up goes by on AWS,
    /// until this run has begun, which it does only where nothing of the other is left.
    is_ours: bool,
}

impl Folder {
    /// Makes it. A run of that name may not be there, unless it was broken off before it had a report.
    pub(super) fn make(all: &Path, run: &RunId) -> Result<Self, Stopped> {
        if all.exists() && !all.is_dir() {
            let why = format!("`{}` is no folder: name one with --out", all.display());
            return Err(Stopped::new(Exit::Usage, why));
        }
        let path = all.join(run.as_str());
        let failed = |error| Stopped::failed(format_args!("{}: can't be made: {error}", path.display()));
        let taken = |what: &str| {
            let why = format!("{what} `{run}`, in {}: choose another name with --run", path.display());
            Err(Stopped::new(Exit::Refused, why))
        };
        fs::create_dir_all(&path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path.join(EVENTS)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) if path.join(REPORT).exists() => taken("there is already a run"),
            Ok(()) => {
                let list = List { file: BufWriter::new(file), is_ours: false };
                Ok(Self { path, events: Mutex::new(list) })
            }
            Err(TryLockError::WouldBlock) => taken("another process is at a run"),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Remembers events that were accepted, so that they can be cleaned up.
    pub(super) fn accepted(&self, events: &[(u64, EventId)]) -> io::Result<()> {
        let mut list = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if !list.is_ours {
            list.file.get_ref().set_len(0)?;
            list.is_ours = true;
        }
        for (number, event) in events {
            writeln!(list.file, "{}", json!({ "number": number, "event": event }))?;
        }
        list.file.flush()
    }

    /// Takes it away again, where nothing was accepted. What can't be taken away stays.
    pub(super) fn discard(&self) {
        let list = self.path.join(EVENTS);
        if fs::metadata(&list).is_ok_and(|facts| facts.len() == 0) {
            let _ = fs::remove_file(list).and_then(|()| fs::remove_dir(&self.path));
        }
    }

    /// Writes the report, as JSON and as a page. Gives where the page is.
    pub(super) fn report(&self, report: &Report) -> io::Result<PathBuf> {
        write_whole(&self.path.join(REPORT), &format!("{}\n", serde_json::to_string_pretty(report)?))?;
        let page = self.path.join("report.html");
        write_whole(&page, &report.page())?;
        Ok(page)
    }
}

/// Writes a file so that it is there either whole or not at all.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let there = written.and_then(|()| fs::rename(&temporary, path));
    if there.is_err() {
        // Only where it can be.
        let _ = fs::remove_file(&temporary);
    }
    there
}

const EVENTS: &str = "events.ndjson";
const REPORT: &str = "report.json";

/// Reads a report: a file, or the name of a run.
pub(super) fn read(all: &Path, folder: &Path, named: &str) -> Result<Report, Stopped> {
    let is_run = named.parse::<RunId>().is_ok() && all.join(named).is_dir();
    let path = if is_run { all.join(named).join(REPORT) } else { folder.join(named) };
    let text = fs::read(&path).map_err(|error| {
        if is_run && error.kind() == io::ErrorKind::NotFound {
            let why = format!(
                "{}: there is no report: the run is going on, or was broken off before its end. Its name can be used again where nothing \
                 of it is left: `load clean {named}` says so of a system that outlives its runs",
                path.display()
            );
            return Stopped::new(Exit::NothingMatched, why);
        }
        let exit = if error.kind() == io::ErrorKind::NotFound { Exit::NothingMatched } else { Exit::Failed };
        Stopped::new(exit, format_args!("{}: can't be read: {error}. Name a run, or a report.json", path.display()))
    })?;
    let no_report = |error| Stopped::new(Exit::Usage, broken(&path, is_run.then_some(named), &error));
    let document = tamed(serde_json::from_slice(&text).map_err(no_report)?);
    let Format { format } = Format::deserialize(&document).map_err(no_report)?;
    if format == Report::FORMAT {
        return serde_json::from_value(document).map_err(no_report);
    }
    let why = format!(
        "{}: is a report of format {format}, and this program reads format {}, whose figures are counted otherwise: do the run \
         again, or read it by the program that wrote it",
        path.display(),
        Report::FORMAT
    );
    Err(Stopped::new(Exit::Usage, why))
}

/// A file that is no report. That of a run was once, or was to be.
fn broken(path: &Path, run: Option<&str>, error: &serde_json::Error) -> String {
    let what_to_do = match run {
        Some(run) => format!(
            "It can't be mended: `load clean {run}` says what is left of the run in a system that outlives its runs, and removes it with \
             --yes. Then remove this file, and the name can be used again"
        ),
        None => "Name a run, or a report.json".into(),
    };
    format!("{}: is no report: {error}. {what_to_do}", path.display())
}

/// What every report says, whatever its format.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// A report may come from anybody: none of its texts steers a terminal, or fills it.
fn tamed(document: Value) -> Value {
    const MOST: usize = 1000;
    match document {
        Value::String(text) => Value::String(plain(&text, MOST)),
        Value::Array(values) => Value::Array(values.into_iter().map(tamed).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (plain(&name, MOST), tamed(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (report, old) = (folder.path().join(REPORT), folder.path().join("old"));
        fs::write(&report, "before").unwrap();
        fs::hard_link(&report, &old).unwrap();
        write_whole(&report, "after").unwrap();
        assert_eq!(fs::read_to_string(&report).unwrap(), "after");
        assert_eq!(fs::read_to_string(&old).unwrap(), "before", "it was written in place");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something temporary is left");

        // Where it can't be written, nothing is left of the attempt.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("by/others")).unwrap();
        write_whole(&taken, "after").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_report_that_was_cut_off_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("all");
        fs::create_dir_all(all.join("one")).unwrap();
        for cut in ["", "{\"format\": 2, \"run\": \"o"] {
            fs::write(all.join("one").join(REPORT), cut).unwrap();
            let Stopped { exit, message } = read(&all, folder.path(), "one").unwrap_err();
            let told = message.unwrap();
            assert_eq!(exit, Exit::Usage, "{told}");
            assert!(told.contains("is no report: ") && told.contains("`load clean one`"), "{told}");
        }
    }
}
