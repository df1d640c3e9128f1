//! What stands in the folder of a run, by which cleaning up goes here.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use sendoff_events::EventId;
use serde::Deserialize;

use crate::{Via, target::TargetError};

/// The folder of a run.
pub(super) struct Folder(PathBuf);

/// A line of the list of what was accepted.
#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) event: EventId,
}

impl Folder {
    pub(super) fn of(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was accepted. A last line that was cut off is passed over: a run that was killed, or whose disk was full, leaves one.
    pub(super) fn accepted(&self) -> Result<Vec<Line>, TargetError> {
        let file = self.0.join("events.ndjson");
        let missing = || reading(&file, "it isn't there: run this where the load test was run, which wrote it");
        let text = text(&file)?.ok_or_else(missing)?;
        let mut accepted = Vec::new();
        for (place, line) in text.split_inclusive('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(line) => accepted.push(line),
                Err(error) if !line.ends_with('\n') => {
                    let file = file.display();
                    tracing::warn!(%file, %error, "the last line was cut off: the event that it was about may be left over");
                }
                Err(error) => return Err(reading(&file, format!("line {}: {error}", place + 1))),
            }
        }
        Ok(accepted)
    }

    /// Whether it may have made requests to the API. A run that has no report, or a cut one, was killed, and may have.
    pub(super) fn may_have_asked(&self) -> Result<bool, TargetError> {
        #[derive(Deserialize)]
        struct Report {
            scenario: Summary,
        }
        #[derive(Deserialize)]
        struct Summary {
            via: Via,
        }
        let file = self.0.join("report.json");
        let Some(text) = text(&file)? else { return Ok(true) };
        match serde_json::from_str::<Report>(&text) {
            Ok(report) => Ok(report.scenario.via == Via::Api),
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "it is no report: the run counts as one that has none");
                Ok(true)
            }
        }
    }
}

/// What is in a file; `None` where there is none.
fn text(file: &Path) -> Result<Option<String>, TargetError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(reading(file, error)),
    }
}

fn reading(file: &Path, why: impl Display) -> TargetError {
    TargetError::unusable(format!("reading {}", file.display()), why.to_string())
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "{\"number\":0,\"event\":\"01890a5d-ac96-774b-bcce-b302099a8057\"}\n";

    fn given(name: &str, text: &str) -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let of = Folder::of(folder.path().to_owned());
        (folder, of)
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_passed_over() {
        for cut in 0..WHOLE.len() {
            let (_kept, folder) = given("events.ndjson", &format!("{WHOLE}{}", &WHOLE[..cut]));
            let numbers = folder.accepted().map(|lines| lines.len()).unwrap();
            // Without its end of line it is whole all the same.
            assert_eq!(numbers, if cut == WHOLE.len() - 1 { 2 } else { 1 }, "cut after {cut} bytes");
        }
        let (_kept, folder) = given("events.ndjson", &format!("{WHOLE}{{\"number\":1,\n{WHOLE}"));
        let told = folder.accepted().map(|lines| lines.len()).unwrap_err().to_string();
        assert!(told.contains("line 2: "), "{told}");
    }

    #[test]
    fn a_run_whose_report_was_cut_off_may_have_asked_the_api() {
        let whole = "{\"scenario\":{\"via\":\"topic\"}}";
        for (report, may_have) in [("", true), (&whole[..20], true), (whole, false)] {
            let (_kept, folder) = given("report.json", report);
            assert_eq!(folder.may_have_asked().unwrap(), may_have, "{report}");
        }
        let (_kept, folder) = given("events.ndjson", WHOLE);
        assert!(folder.may_have_asked().unwrap());
    }
}
