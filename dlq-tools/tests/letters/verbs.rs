//! `dlq ls` and `dlq snap` over a data folder, in this process.

use std::{path::Path, sync::Arc, time::Duration};

use sendoff_consumers::{Class, Failure, NewMessage};
use sendoff_dlq_tools::{Session, snapshot::Snapshot};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::Clock as _;
use sendoff_host::{Exit, SystemRng};
use serde_json::Value;
use tempfile::TempDir;

use crate::calls::{Ran, SleepClock, call_until};

const ENVELOPE: &str = include_str!("../../../events/samples/app.assigned.v1.json");

struct Bench {
    folder: TempDir,
    clock: Arc<SleepClock>,
}

impl Bench {
    /// A data folder where `email` failed at so many messages, most of them because of their template.
    async fn with(count: usize) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(SleepClock::new()));
        let bench = Self { folder, clock };
        let options = StoreOptions { clock: bench.clock.clone(), ..StoreOptions::default() };
        let store = Store::open(bench.folder.path().join("data"), options).unwrap();
        let queue = store.queue("email").await.unwrap();
        let messages = vec![NewMessage { body: ENVELOPE.into(), ..NewMessage::default() }; count];
        for messages in messages.chunks(10) {
            queue.send(messages).await.into_iter().for_each(|sent| drop(sent.unwrap()));
        }
        let mut left = count;
        while left > 0 {
            let taken = queue.receive(10, Duration::ZERO, Duration::from_secs(30)).await.unwrap();
            let failed: Vec<_> = taken.into_iter().map(|delivery| (delivery, bench.failure(left))).collect();
            queue.dead_letter(&failed).await.into_iter().for_each(|moved| moved.unwrap());
            left -= failed.len();
        }
        store.shutdown().await;
        drop(bench.clock.sleep(Duration::from_secs(1800)));
        bench
    }

    fn failure(&self, left: usize) -> Failure {
        let reason = if left > 3 { "bad-template" } else { "no\u{1b}[2Jcontact" };
        Failure {
            reason: reason.into(),
            class: Class::Rejected,
            fingerprint: format!("{reason}-0badcafe"),
            consumer: "email".into(),
            attempts: 1,
            first_at: self.clock.now(),
            last_at: self.clock.now(),
            error: "no".into(),
        }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    async fn dlq(&self, arguments: &[&str]) -> Ran {
        self.dlq_until(arguments, None).await
    }

    async fn dlq_until(&self, arguments: &[&str], goes_after: Option<usize>) -> Ran {
        let session = Session {
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng::new()),
            variables: std::collections::BTreeMap::new(),
            folder: self.folder.path().to_owned(),
            out_is_terminal: false,
            err_is_terminal: false,
            ..Session::of_this_process()
        };
        call_until(session, &[&["--data", "data"], arguments].concat(), goes_after).await
    }
}

#[tokio::test]
async fn a_listing_says_how_full_how_old_and_why() {
    let bench = Bench::with(12).await;
    let told = bench.dlq(&["ls"]).await;
    assert_eq!((told.exit, &*told.err), (Exit::Done, ""));
    let lines: Vec<_> = told.out.lines().collect();
    assert_eq!(lines[0], "QUEUE      WAITING  IN FLIGHT  OLDEST  FIRST LOSS  LAST HOUR  TOP REASON");
    assert_eq!(lines[1], "email-dlq  12       0          30m     never       12         bad-template 83%");
    let rows = bench.dlq(&["ls", "--output", "json"]).await.json();
    assert_eq!(
        (&rows[0]["queue"], &rows[0]["target"], &rows[0]["oldest_age_s"]),
        (&"email-dlq".into(), &"email".into(), &1800.into())
    );
    assert_eq!((&rows[0]["first_loss_at"], &rows[0]["sampled"]), (&Value::Null, &Value::Null));
    let line = bench.dlq(&["ls", "--output", "ndjson"]).await;
    assert_eq!(line.json(), rows[0]);
}

#[tokio::test]
async fn a_reason_does_not_move_the_terminal() {
    let bench = Bench::with(2).await;
    let told = bench.dlq(&["ls"]).await;
    assert!(told.out.contains("no [2Jcontact 100%") && !told.out.contains('\u{1b}'), "{}", told.out);
}

#[tokio::test]
async fn prometheus_gets_a_gauge_for_each_figure_that_is_known() {
    let bench = Bench::with(2).await;
    let told = bench.dlq(&["ls", "--prom"]).await;
    let expected = "\
# HELP sendoff_dlq_messages Messages in the dead-letter queue.
# TYPE sendoff_dlq_messages gauge
sendoff_dlq_messages{queue=\"email-dlq\",state=\"waiting\"} 2
sendoff_dlq_messages{queue=\"email-dlq\",state=\"in_flight\"} 0
# HELP sendoff_dlq_oldest_age_seconds Age of the oldest message, from when the broker counts it; of a sample where looking needs leases.
# TYPE sendoff_dlq_oldest_age_seconds gauge
sendoff_dlq_oldest_age_seconds{queue=\"email-dlq\"} 1800
# HELP sendoff_dlq_first_loss_seconds Time until the broker forgets a message, at most that where a sample was looked at; missing where it keeps all, or nothing is known.
# TYPE sendoff_dlq_first_loss_seconds gauge
# HELP sendoff_dlq_arrivals_per_hour Messages that came in the last hour, at least that many where a sample was looked at.
# TYPE sendoff_dlq_arrivals_per_hour gauge
sendoff_dlq_arrivals_per_hour{queue=\"email-dlq\"} 2
# HELP sendoff_dlq_top_reason_ratio Share of the messages that failed for the most frequent reason, from 0 to 1; missing where nothing is known.
# TYPE sendoff_dlq_top_reason_ratio gauge
sendoff_dlq_top_reason_ratio{queue=\"email-dlq\",reason=\"no [2Jcontact\"} 1
# HELP sendoff_dlq_sampled Messages that the other figures are of; missing where they are of all.
# TYPE sendoff_dlq_sampled gauge
";
    assert_eq!(told.out, expected);
}

#[tokio::test]
async fn prometheus_has_a_format_of_its_own() {
    let bench = Bench::with(1).await;
    for arguments in [["ls", "--prom", "--output", "json"], ["--output", "json", "ls", "--prom"]] {
        let told = bench.dlq(&arguments).await;
        assert_eq!((told.exit, told.out.as_str()), (Exit::Usage, ""), "{arguments:?}");
        assert!(told.err.contains("--prom is a format of its own"), "{}", told.err);
    }
}

#[tokio::test]
async fn a_watch_goes_on_until_nobody_reads_it() {
    let bench = Bench::with(1).await;
    let told = bench.dlq_until(&["ls", "--watch", "7", "--output", "ndjson"], Some(1500)).await;
    assert_eq!(told.exit, Exit::Done);
    let ages: Vec<_> = told
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["oldest_age_s"].as_u64().unwrap())
        .collect();
    assert!(ages.len() > 2 && ages.windows(2).all(|pair| pair[1] - pair[0] == 7), "{ages:?}");
}

#[tokio::test]
async fn a_snapshot_holds_every_letter_and_touches_none() {
    let bench = Bench::with(25).await;
    let told = bench.dlq(&["snap", "email", "--output", "json"]).await;
    assert_eq!((told.exit, &*told.err), (Exit::Done, ""));
    let report = told.json();
    assert_eq!((&report["queue"], &report["letters"], &report["added"]), (&"email-dlq".into(), &25.into(), &25.into()));
    assert_eq!((&report["leased"], &report["released"], &report["receives"]), (&0.into(), &0.into(), &0.into()));
    let file = bench.data().join(report["path"].as_str().unwrap());
    let snapshot = Snapshot::open(&file).unwrap();
    let letter = snapshot.page("", 1).unwrap().remove(0);
    assert_eq!((letter.message.receive_count, letter.facts.consumer.as_deref()), (1, Some("email")));
    assert_eq!((letter.content(), letter.message.attributes.contains_key("failure")), (ENVELOPE.as_bytes(), true));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
}

#[tokio::test]
async fn two_snapshots_of_the_same_second_are_two_files() {
    let bench = Bench::with(1).await;
    let one = bench.dlq(&["snap", "email", "--output", "json"]).await.json();
    let two = bench.dlq(&["snap", "email", "--output", "json"]).await.json();
    assert!(one["path"] != two["path"] && two["letters"] == 1, "{one} {two}");
}

#[tokio::test]
async fn a_file_that_is_there_is_not_written_over() {
    let bench = Bench::with(1).await;
    assert_eq!(bench.dlq(&["snap", "email-dlq", "--into", "s.db"]).await.exit, Exit::Done);
    let told = bench.dlq(&["snap", "email-dlq", "--into", "s.db"]).await;
    assert!(told.exit == Exit::Refused && told.err.contains("s.db is there already"), "{}", told.err);
    let told = bench.dlq(&["snap", "email-dlq", "--into", "s.db", "--resume"]).await;
    assert!(told.exit == Exit::Refused && told.err.contains("nothing to go on with"), "{}", told.err);
    let told = bench.dlq(&["snap", "email-dlq", "--resume"]).await;
    assert_eq!(told.exit, Exit::NothingMatched, "{}", told.err);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_with_those_that_are() {
    let bench = Bench::with(1).await;
    let told = bench.dlq(&["snap", "sms\u{1b}"]).await;
    assert_eq!(told.exit, Exit::NothingMatched);
    assert!(told.err.contains("`sms\\u{1b}`; there are: email-dlq"), "{}", told.err);
}

#[tokio::test]
async fn an_unreasonable_lease_is_wrong_usage() {
    let bench = Bench::with(1).await;
    for hold in ["1s", "13h", "long"] {
        let told = bench.dlq(&["snap", "email", "--hold", hold]).await;
        assert!(told.exit == Exit::Usage && told.err.contains("between 30s and 12h"), "{hold}: {}", told.err);
    }
}

#[tokio::test]
async fn a_snapshot_that_was_cut_off_is_used_only_when_it_is_named() {
    let bench = Bench::with(4).await;
    assert_eq!(bench.dlq(&["snap", "email", "--max", "0"]).await.exit, Exit::Usage);
    let cut = bench.dlq(&["snap", "email", "--max", "2", "--output", "json"]).await.json();
    assert_eq!(cut["letters"], 2);
    let all = bench.dlq(&["grep", "email", "--count"]).await;
    assert_eq!(all.out, "4\n", "{}", all.err);
    let file = bench.data().join(cut["path"].as_str().unwrap()).display().to_string();
    let part = bench.dlq(&["grep", "email", "--count", "--snapshot", &file]).await;
    assert_eq!(part.out, "2\n");
    assert!(part.err.contains("2 of about 4 letters") && part.err.contains("which --max cut off"), "{}", part.err);
}

/// Overwrites all but the first two pages of a snapshot: what it is of can be read still, and its letters can't.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[2 * 4096..].fill(0x5a);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_snapshot_keeps_nobody_from_taking_a_new_one() {
    let bench = Bench::with(4).await;
    let snap = async || {
        let told = bench.dlq(&["snap", "email", "--output", "json"]).await.expect(Exit::Done);
        (bench.data().join(told.json()["path"].as_str().unwrap()), told.err)
    };
    let edit = ["edit", "email", "--set", "data.assigned_by=heidi", "--yes", "--by", "grace"];
    let (first, _) = snap().await;
    bench.dlq(&edit).await.expect(Exit::Done);
    let (second, told) = snap().await;
    assert!(told.contains("4 edits of earlier snapshots were taken over"), "{told}");
    damage(&second);
    let damaged = bench.dlq(&["groups", "email"]).await.expect(Exit::Failed);
    assert!(damaged.err.contains("is damaged") && damaged.err.contains("--fresh"), "{damaged:?}");
    let fresh = bench.dlq(&["groups", "email", "--fresh"]).await.expect(Exit::Done);
    let name = second.file_name().unwrap().to_str().unwrap();
    assert!(fresh.err.contains(name) && fresh.err.contains("was passed over"), "{fresh:?}");
    assert!(fresh.err.contains("4 edits of earlier snapshots were taken over"), "the first one has them: {fresh:?}");
    // One row that can't be read, of a letter that was edited.
    let row = |file: &Path| {
        let file = rusqlite::Connection::open(file).unwrap();
        let broken = "UPDATE letters SET message = '{' WHERE id = (SELECT max(id) FROM letters)";
        assert_eq!(file.execute(broken, []).unwrap(), 1);
    };
    std::fs::read_dir(first.parent().unwrap()).unwrap().for_each(|file| {
        let file = file.unwrap().path();
        if file != second && file.extension().is_some_and(|end| end == "db") {
            row(&file);
        }
    });
    let damaged = bench.dlq(&["groups", "email"]).await.expect(Exit::Failed);
    assert!(damaged.err.contains("column 1 of a row can't be read") && damaged.err.contains("--fresh"), "{damaged:?}");
    let (_, told) = snap().await;
    assert!(told.contains("column 1 of a row") && told.contains("3 edits of earlier"), "{told}");
    std::fs::write(&second, "no snapshot".repeat(1000)).unwrap();
    assert!(snap().await.1.contains("isn't an SQLite file"));
    bench.dlq(&["snap", "email", "--resume"]).await.expect(Exit::NothingMatched);
}

#[tokio::test]
async fn the_file_in_a_data_folder_is_not_the_folder() {
    let bench = Bench::with(1).await;
    let told = bench.dlq(&["--backend", "sqlite:data/sendoff.db", "ls"]).await;
    assert_eq!(told.exit, Exit::Usage);
    assert!(told.err.contains("name the data folder"), "{}", told.err);
}
