//! A data folder.

use super::{Fault, Rule, span};
use crate::doctor::{
    Kind, Severity,
    model::{FolderQueue, Model, Part},
};

/// So large the log beside the data file may get, in bytes: it is written back at 4 MiB, unless somebody reads for very long.
const LARGE_LOG: u64 = 256 << 20;
/// So much of the disk has to be free: a twentieth, and no less than this many bytes.
const LEAST_FREE: u64 = 512 << 20;

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unknown-version",
        severity: Severity::Error,
        kind: Kind::Folder,
        looks_at: &[Part::Schema],
        says: "the data has the version that this program knows",
        why: "nothing in it can be read or repaired with this program",
        source: "docs/adr",
        fix: "the newer program, or one start of `sendoff` that brings the data up to date",
        faults: |model| {
            let wrong = model.folder.schema.filter(|(found, known)| found != known);
            let fault = |(found, known): (i32, i32)| Fault {
                place: model.folder.path.clone(),
                queue: None,
                there: format!("version {found}"),
                should: format!("version {known}"),
                fix: match found > known {
                    true => "use the newer `dlq` that belongs to the `sendoff` that wrote it".into(),
                    false => "start `sendoff` once with this data folder: it brings it up to date".into(),
                },
            };
            wrong.map(fault).into_iter().collect()
        },
    },
    Rule {
        id: "server-not-running",
        severity: Severity::Error,
        kind: Kind::Folder,
        looks_at: &[Part::Server, Part::Letters],
        says: "somebody serves the data folder while messages wait",
        why: "nothing is sent until it is started",
        source: ARCHITECTURE,
        fix: "`sendoff --data FOLDER`",
        faults: |model| {
            let waiting: u64 = model.folder.queues.iter().map(|queue| queue.waiting).sum();
            let fault = || Fault {
                place: model.folder.path.clone(),
                queue: None,
                there: format!("{waiting} messages wait, and no process serves the folder"),
                should: "a process that serves it".into(),
                fix: format!("sendoff --data {}", model.folder.path),
            };
            (waiting > 0 && !model.folder.is_served).then(fault).into_iter().collect()
        },
    },
    Rule {
        id: "no-consumer",
        severity: Severity::Warning,
        kind: Kind::Folder,
        looks_at: &[Part::Letters],
        says: "messages wait only in queues that have a consumer",
        why: "nobody ever takes them, and they are kept for ever",
        source: ARCHITECTURE,
        fix: "the program version that has this consumer",
        faults: |model| {
            each(model, |queue| {
                let lonely = queue.waiting > 0 && !queue.has_consumer && !queue.of_reaction;
                lonely.then(|| {
                    let fix =
                        "start a `sendoff` that has this consumer, or look at what it is: `sendoff tail`".to_owned();
                    (
                        format!("{} messages wait, and no consumer has this name", queue.waiting),
                        "a consumer".into(),
                        fix,
                    )
                })
            })
        },
    },
    Rule {
        id: "large-body-missing",
        severity: Severity::Error,
        kind: Kind::Folder,
        looks_at: &[Part::Letters],
        says: "the large body that a dead letter points to is there",
        why: "it can't be replayed: its event is lost",
        source: ARCHITECTURE,
        fix: "restore `blobs/` from a backup",
        faults: |model| {
            each(model, |queue| {
                let first = queue.without_body.first()?;
                let there = format!("{} dead letters without, `{first}` among them", queue.without_body.len());
                let fix = format!("restore blobs/ of {} from a backup", model.folder.path);
                Some((there, "the file in blobs/".into(), fix))
            })
        },
    },
    Rule {
        id: "older-than-the-inbox",
        severity: Severity::Warning,
        kind: Kind::Folder,
        looks_at: &[Part::Letters],
        says: "no dead letter is older than what the inbox remembers",
        why: "nobody can say any more whether it was done: its consumer would put it aside instead of running it",
        source: ARCHITECTURE,
        fix: "archive and purge them, or send their events anew by hand",
        faults: |model| {
            each(model, |queue| {
                let there = format!("{} dead letters are", queue.too_old);
                let keep = span(model.inbox_keep.as_secs());
                let fix = format!("dlq archive {0}-dlq, and dlq purge {0}-dlq", queue.name);
                (queue.too_old > 0).then(|| (there, format!("events of the last {keep}, less a day"), fix))
            })
        },
    },
    Rule {
        id: "reaction-dead-letters",
        severity: Severity::Warning,
        kind: Kind::Folder,
        looks_at: &[Part::Letters],
        says: "no change of a record failed at its reaction",
        why: "no queue takes it back: the record has to change again, or somebody repairs by hand what the reaction would have done",
        source: ARCHITECTURE,
        fix: "look at them with `dlq hydrate`, mend, and archive and purge them",
        faults: |model| {
            each(model, |queue| {
                let there = format!("{} changes that failed", queue.dead);
                let fix = format!("dlq hydrate {}-dlq", queue.name);
                (queue.of_reaction && queue.dead > 0).then(|| (there, "none".into(), fix))
            })
        },
    },
    Rule {
        id: "doubt-past-its-window",
        severity: Severity::Warning,
        kind: Kind::Folder,
        looks_at: &[Part::Doubts],
        says: "what is in doubt is settled within the time that its consumer waits for news",
        why: "no news will come any more: a person has to say whether it was sent",
        source: ARCHITECTURE,
        fix: "`sendoff doubt resolve`",
        faults: |model| {
            let fault = |doubt: &crate::doctor::model::OldDoubt| Fault {
                place: format!("inbox of `{}`", doubt.consumer),
                queue: Some(doubt.consumer.clone()),
                there: format!("{} in doubt, the oldest since {}", doubt.count, doubt.since),
                should: format!("settled within {}", span(doubt.window.as_secs())),
                fix: "sendoff doubt ls, and sendoff doubt resolve".into(),
            };
            model.folder.doubts.iter().map(fault).collect()
        },
    },
    Rule {
        id: "log-very-large",
        severity: Severity::Warning,
        kind: Kind::Folder,
        looks_at: &[Part::Files],
        says: "the log beside the data file stays small",
        why: "somebody reads for very long, or no process could write it back: each read gets slower, and the disk fills",
        source: "https://sqlite.org/wal.html",
        fix: "end what has the file open for long, and restart `sendoff`",
        faults: |model| {
            let fault = || Fault {
                place: format!("{}/sendoff.db-wal", model.folder.path),
                queue: None,
                there: mebibytes(model.folder.log_bytes),
                should: format!("less than {}", mebibytes(LARGE_LOG)),
                fix: "end what has the file open for long (`lsof` tells), and restart sendoff".into(),
            };
            (model.folder.log_bytes > LARGE_LOG).then(fault).into_iter().collect()
        },
    },
    Rule {
        id: "disk-nearly-full",
        severity: Severity::Error,
        kind: Kind::Folder,
        looks_at: &[Part::Disk],
        says: "a twentieth of the disk is free, and 512 MiB at least",
        why: "when it is full, no commit is taken any more",
        source: "https://sqlite.org/rescode.html#full",
        fix: "make room, or move the data folder",
        faults: |model| {
            let full = model.folder.disk.filter(|(free, all)| *free < LEAST_FREE.max(all / 20).min(*all));
            let fault = |(free, all): (u64, u64)| Fault {
                place: model.folder.path.clone(),
                queue: None,
                there: format!("{} of {} are free", mebibytes(free), mebibytes(all)),
                should: format!("at least {}", mebibytes(LEAST_FREE.max(all / 20))),
                fix: "make room on the disk, or stop sendoff and move the data folder to a larger one".into(),
            };
            full.map(fault).into_iter().collect()
        },
    },
];

fn each(model: &Model, wrong: impl Fn(&FolderQueue) -> Option<(String, String, String)>) -> Vec<Fault> {
    let fault = |queue: &FolderQueue| {
        let (there, should, fix) = wrong(queue)?;
        Some(Fault { place: format!("queue {}", queue.name), queue: Some(queue.name.clone()), there, should, fix })
    };
    model.folder.queues.iter().filter_map(fault).collect()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
