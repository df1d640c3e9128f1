//! What stands in the folder of a run, by which cleaning up goes here.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use sendoff_events::EventId;
use serde::{Deserialize, de::DeserializeOwned};

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

    /// What was accepted.
    pub(super) fn accepted(&self) -> Result<Vec<Line>, TargetError> {
        let file = self.0.join("events.ndjson");
        let missing = || reading(&file, "it isn't there: run this where the load test was run, which wrote it");
        let text = text(&file)?.ok_or_else(missing)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
        lines
            .map(|(place, line)| {
                serde_json::from_str(line).map_err(|e| reading(&file, format!("line {}: {e}", place + 1)))
            })
            .collect()
    }

    /// Whether it may have made requests to the API. A run that has no report was killed, and may have.
    pub(super) fn may_have_asked(&self) -> Result<bool, TargetError> {
        #[derive(Deserialize)]
        struct Report {
            scenario: Summary,
        }
        #[derive(Deserialize)]
        struct Summary {
            via: Via,
        }
        let report: Option<Report> = json(&self.0.join("report.json"))?;
        Ok(report.is_none_or(|report| report.scenario.via == Via::Api))
    }
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, TargetError> {
    text(file)?.map(|text| serde_json::from_str(&text).map_err(|error| reading(file, error))).transpose()
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
