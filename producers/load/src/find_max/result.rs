//! What a search has found, as it is kept in a file.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Cap, Early, Ladder, Step};

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found<'a> {
    /// The search: its runs are called so, with their numbers.
    pub run: &'a str,
    /// The highest rate that held, in events a second.
    pub best: Option<f64>,
    /// The lowest one that didn't. One at which nothing is known of the system is none.
    pub worst: Option<f64>,
    /// What kept the search from knowing more, where that isn't the system.
    pub capped_by: Option<Cap>,
    /// Every rate that was tried, in order.
    pub steps: &'a [Step],
    /// What is known, in a line.
    pub verdict: String,
}

impl<'a> Found<'a> {
    /// The name of its file, in the folder of all runs.
    pub const FILE: &'static str = "find-max.json";

    /// What is known. `max_rate` is the rate that none may pass.
    #[must_use]
    pub fn of(ladder: &'a Ladder, run: &'a str, max_rate: &str, early: Option<&Early>) -> Self {
        Self {
            run,
            best: ladder.best(),
            worst: ladder.worst(),
            capped_by: ladder.capped_by(),
            steps: ladder.steps(),
            verdict: ladder.verdict(max_rate, early),
        }
    }

    /// Writes it into this folder, in place of that of an earlier search. It appears as a whole. Gives where it is.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn keep(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let mut options = tempfile::Builder::new();
        // As readable as the reports beside it.
        #[cfg(unix)]
        options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = options.tempfile_in(folder)?;
        writeln!(file, "{}", serde_json::to_string_pretty(self)?)?;
        file.as_file().sync_all()?;
        let path = folder.join(Self::FILE);
        file.persist(&path).map_err(|error| error.error)?;
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::Word;

    fn ladder(steps: &[(f64, Word)]) -> Ladder {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        for (rate, verdict) in steps {
            ladder.tried(Step::new("search-1", *rate, *verdict, String::new(), 7));
        }
        ladder
    }

    #[test]
    fn what_was_found_stands_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let ladder = ladder(&[(40.0, Word::Ok), (80.0, Word::Failed)]);
        let path = Found::of(&ladder, "search", "10000/s", None).keep(&out).unwrap();
        assert_eq!(path, out.join("find-max.json"));
        let read: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let expected = json!({
            "run": "search",
            "best": 40.0,
            "worst": 80.0,
            "capped_by": null,
            "steps": [
                { "run": "search-1", "rate": 40.0, "holds": true, "verdict": "ok", "why": "", "backlog": 7 },
                { "run": "search-1", "rate": 80.0, "holds": false, "verdict": "failed", "why": "", "backlog": 7 },
            ],
            "verdict": "at least 40.0/s, less than 80.0/s",
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_later_search_takes_its_place_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for run in ["first", "second"] {
            Found::of(&ladder(&[(40.0, Word::Ok)]), run, "10000/s", None).keep(folder.path()).unwrap();
        }
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["find-max.json"]);
        assert!(fs::read_to_string(folder.path().join("find-max.json")).unwrap().contains("\"second\""));
    }

    #[test]
    fn a_generator_that_was_too_slow_says_so_in_the_file() {
        let ladder = ladder(&[(40.0, Word::Ok), (80.0, Word::Invalid), (80.0, Word::Invalid)]);
        let found = serde_json::to_value(Found::of(&ladder, "search", "10000/s", None)).unwrap();
        assert_eq!((&found["worst"], &found["capped_by"]), (&Value::Null, &json!("generator")));
        assert_eq!(found["steps"][2]["holds"], Value::Null);
    }
}
