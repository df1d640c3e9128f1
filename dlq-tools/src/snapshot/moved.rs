//! Whether letters were moved out of a queue, or into it, from this work folder: then a snapshot from before shows what isn't so any
//! more. What others do elsewhere nobody can tell here.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::{as_name, folder};
use crate::run::{
    folder::RunFolder,
    journal::{self, Line, Step},
};

/// The longest first line of a plan that is read.
const HEAD: u64 = 1 << 20;

/// Letters were moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What did it, in words.
    pub by: String,
    /// Whether it hasn't ended, as far as is written.
    pub is_under_way: bool,
}

/// What was last noted of a queue.
#[derive(Serialize, Deserialize)]
struct Note {
    deployment: String,
    queue: String,
    verb: String,
    at: Timestamp,
}

/// Notes that this verb moved letters of a queue.
///
/// # Errors
///
/// When the work folder can't be written.
pub fn note(work: &Path, deployment: &str, queue: &str, verb: &str, at: Timestamp) -> io::Result<()> {
    let path = file(work, queue);
    let folder = folder(work);
    crate::deployment::private_folder(&folder)?;
    let note = Note { deployment: deployment.into(), queue: queue.into(), verb: verb.into(), at };
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    serde_json::to_writer(&mut file, &note)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// What moved letters of this queue at this moment or later. What can't be read is passed over: it is about a hint only.
#[must_use]
pub fn since(work: &Path, deployment: &str, queue: &str, moment: Timestamp) -> Option<Moved> {
    let runs = RunFolder::all(work).unwrap_or_default();
    let by_run = runs.iter().filter(|run| is_of(run, deployment, queue)).filter_map(|run| run_since(run, moment));
    let noted = fs::read(file(work, queue)).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
    let noted = noted.filter(|note| (&*note.deployment, &*note.queue) == (deployment, queue) && note.at >= moment);
    let by_verb = noted.map(|note| Moved { by: format!("`dlq {}`", note.verb), is_under_way: false });
    // What is under way matters most: a look would get into its way.
    by_run.chain(by_verb).max_by_key(|moved| moved.is_under_way)
}

fn file(work: &Path, queue: &str) -> PathBuf {
    folder(work).join(format!("{}.moved", as_name(queue)))
}

/// Whether the run is over this queue: its plan's first line says so.
fn is_of(run: &RunFolder, deployment: &str, queue: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        deployment: String,
        queue: String,
    }
    let mut line = Vec::new();
    let read = File::open(run.plan()).and_then(|plan| BufReader::new(plan).take(HEAD).read_until(b'\n', &mut line));
    let head = read.ok().and_then(|_| serde_json::from_slice::<Head>(&line).ok());
    head.is_some_and(|head| (&*head.deployment, &*head.queue) == (deployment, queue))
}

fn run_since(run: &RunFolder, moment: Timestamp) -> Option<Moved> {
    let (mut has_moved, mut is_under_way) = (false, false);
    let read = journal::read(&run.journal(), |line: Line| {
        has_moved |= line.at >= moment && matches!(line.step, Step::Sent { .. } | Step::Deleted { .. });
        is_under_way = !matches!(line.step, Step::Paused { .. } | Step::Aborted { .. } | Step::Finished {});
    });
    (read.is_ok() && has_moved).then(|| Moved { by: format!("run {}", run.name()), is_under_way })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    /// A run over `email-dlq` of `here` with these steps, a second apart.
    fn run(work: &Path, name: &str, steps: &[Step]) {
        let folder = work.join("runs").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("plan"),
            "{\"hash\":\"00\",\"plan\":1,\"deployment\":\"here\",\"queue\":\"email-dlq\"}\n{}\n",
        )
        .unwrap();
        let line = |(n, step): (usize, &Step)| {
            serde_json::to_string(&Line { at: at(n as i64), step: step.clone() }).unwrap() + "\n"
        };
        fs::write(folder.join("journal.ndjson"), steps.iter().enumerate().map(line).collect::<String>()).unwrap();
    }

    #[test]
    fn a_run_that_moved_letters_since_makes_a_snapshot_old() {
        let work = tempfile::tempdir().unwrap();
        let steps = [Step::Begun { by: "ada".into() }, Step::Deleted { n: vec![0] }, Step::Finished {}];
        run(work.path(), "aa", &steps);
        let by = || "run aa".to_owned();
        let since = |queue, second| since(work.path(), "here", queue, at(second));
        assert_eq!(since("email-dlq", 1), Some(Moved { by: by(), is_under_way: false }));
        assert_eq!(since("email-dlq", 2), None, "it moved none any more");
        assert_eq!(since("sms-dlq", 0), None);
        run(work.path(), "aa", &steps[..2]);
        assert_eq!(since("email-dlq", 0), Some(Moved { by: by(), is_under_way: true }));
    }

    #[test]
    fn a_verb_that_moved_letters_is_noted_for_its_queue_and_deployment_only() {
        let work = tempfile::tempdir().unwrap();
        note(work.path(), "here", "email-dlq", "purge", at(5)).unwrap();
        let moved = Moved { by: "`dlq purge`".into(), is_under_way: false };
        assert_eq!(since(work.path(), "here", "email-dlq", at(5)), Some(moved));
        assert_eq!(since(work.path(), "here", "email-dlq", at(6)), None);
        assert_eq!(since(work.path(), "there", "email-dlq", at(0)), None);
        fs::write(file(work.path(), "email-dlq"), "{").unwrap();
        assert_eq!(since(work.path(), "here", "email-dlq", at(0)), None);
    }
}
