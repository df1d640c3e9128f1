//! How calls of the program end: what is refused before anything begins, and what a run comes to whoever reads its report.

mod interrupted;

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::Path,
};

use sendoff_embedded::{
    System,
    config::{Config, ConfigFile, Inputs},
};
use sendoff_host::{Exit, Stopped};
use sendoff_tests::servers::Port;

use crate::command_line::{call, call_writing, folder};

/// Whoever read it has gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn runs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join(".sendoff-load")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A data folder that nobody serves.
async fn unserved(folder: &Path) -> String {
    let data = folder.join("data");
    sendoff_embedded::Store::open(&data, sendoff_embedded::StoreOptions::default()).unwrap().shutdown().await;
    format!("sqlite:{}", data.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_doesnt_fit_together_is_refused_before_anything_begins() {
    let folder = folder();
    let beside = unserved(folder.path()).await;
    fs::write(folder.path().join("token"), "t").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let made =
        fs::read_to_string(folder.path().join("few.toml")).unwrap().replace("app.unassigned", "submission.created");
    fs::write(folder.path().join("made.toml"), made).unwrap();
    let cases: [(&[&str], Exit, &str); 17] = [
        (&["run", "few.toml", "--api", "http://127.0.0.1:9"], Exit::Usage, "a system of our own has its own API"),
        (&["run", "few.toml", "--backend", &beside, "--relaxed"], Exit::Usage, "--relaxed is for a system of our own"),
        (&["run", "few.toml", "--backend", &beside, "--keep-data", "d"], Exit::Usage, "--keep-data is for a system"),
        (&["run", "few.toml", "--token-file", "token"], Exit::Usage, "--token-file is for the API"),
        (&["run", "made.toml", "--via", "api", "--backend", &beside], Exit::Usage, "give it with --api"),
        (&["run", "made.toml", "--via", "api", "--backend", &beside, "--dry-run"], Exit::Usage, "give it with --api"),
        (&["run", "few.toml", "--backend", &beside], Exit::Unreachable, "no server is there"),
        (
            &["run", "few.toml", "--rate", "20000/s", "--duration", "168h", "--dry-run"],
            Exit::Refused,
            "guards.max_rate",
        ),
        (
            &["run", "few.toml", "--rate", "5000/s", "--duration", "168h", "--dry-run"],
            Exit::Refused,
            "3024000000 events",
        ),
        (&["run", "few.toml", "--kill-switch", "few.toml", "--dry-run"], Exit::Refused, "kill switch"),
        (&["run", "few.toml", "--out", "file"], Exit::Usage, "file` is no folder"),
        (&["find-max", "few.toml", "--slo", "e2e p99<5s", "--rate", "5/s"], Exit::Usage, "--rate"),
        (&["find-max", "few.toml", "--slo", "e2e p99<5s", "--duration", "5s"], Exit::Usage, "--duration"),
        (&["find-max", "few.toml", "--slo", "e2e p99<5s", "--precision=-7"], Exit::Usage, "from 0.1 to 100"),
        (&["find-max", "few.toml", "--slo", "e2e p99<5s", "--precision", "NaN"], Exit::Usage, "from 0.1 to 100"),
        (&["clean", "one"], Exit::Usage, "say where the run was"),
        (&["clean", "one", "--backend", &beside, "--relaxed"], Exit::Usage, "--relaxed"),
    ];
    for (arguments, exit, told) in cases {
        let called = call(folder.path(), arguments).await;
        assert_eq!(called.exit, exit, "{arguments:?}: {}", called.err);
        assert!(called.err.contains(told), "{arguments:?}: {}", called.err);
        assert!(runs(folder.path()).is_empty(), "{arguments:?} has left a run");
    }
}

#[test]
fn a_deployment_that_isnt_allowed_is_refused_by_a_dry_run_too() {
    let folder = folder();
    let called = std::process::Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["run", "few.toml", "--backend", "aws", "--dry-run"])
        .current_dir(folder.path())
        .envs([
            ("SENDOFF_TABLE", "t"),
            ("SENDOFF_INBOX_TABLE", "i"),
            ("SENDOFF_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:sendoff-events"),
            ("SENDOFF_QUEUE_URL_BASE", "https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-"),
            ("SENDOFF_BUCKET", "b"),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&called.stderr);
    assert_eq!(called.status.code(), Some(5), "{told}");
    assert!(told.contains("`123456789012` may not be put under load"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_doesnt_answer_or_takes_no_load_tests_is_told_before_the_run_begins() {
    let folder = folder();
    let text =
        fs::read_to_string(folder.path().join("few.toml")).unwrap().replace("app.unassigned", "submission.created");
    fs::write(folder.path().join("made.toml"), text).unwrap();
    let data = folder.path().join("served");
    let flags = [("data", data.display().to_string()), ("listen", "127.0.0.1:0".to_owned())];
    let flags = flags.into_iter().chain([("api.load_tests", "false".to_owned())]);
    let inputs = Inputs {
        flags: flags.map(|(key, value)| ("--set".to_owned(), key.to_owned(), value)).collect(),
        file: ConfigFile::Nothing,
        ..Inputs::default()
    };
    let system = System::start(&Config::load(&inputs).unwrap()).await.unwrap();
    let port = Port::free();
    let beside = format!("sqlite:{}", data.display());
    for (api, exit, says) in [
        (format!("http://127.0.0.1:{port}"), Exit::Unreachable, "no server is there"),
        // What it would make there would be real.
        (format!("http://{}", system.address()), Exit::Refused, "`api.load_tests = true`"),
    ] {
        let arguments = ["run", "made.toml", "--run", "one", "--via", "api", "--backend", &beside, "--api", &api];
        let called = call(folder.path(), &arguments).await;
        assert_eq!(called.exit, exit, "{}", called.err);
        assert!(called.err.contains(says), "{}", called.err);
        assert!(runs(folder.path()).is_empty());
    }
    let left = call(folder.path(), &["clean", "one", "--backend", &beside]).await;
    assert_eq!(left.exit, Exit::NothingMatched, "{}", left.out);
    system.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_used_in_the_system_is_refused_until_it_is_cleaned_up_there() {
    let folder = folder();
    let run = ["run", "few.toml", "--run", "one", "--keep-data", "data"];
    assert_eq!(call(folder.path(), &run).await.exit, Exit::Done);
    // On another machine, or after tidying up, nothing here tells of the first one.
    fs::remove_dir_all(folder.path().join(".sendoff-load")).unwrap();
    let again = call(folder.path(), &run).await;
    assert_eq!(again.exit, Exit::Refused, "{}{}", again.out, again.err);
    assert!(again.err.contains("there is a run `one` in this system already"), "{}", again.err);
    assert!(again.err.contains("`load clean one --yes`") && again.err.contains("--run"), "{}", again.err);
    assert!(runs(folder.path()).is_empty());

    let cleaned = call(folder.path(), &["clean", "one", "--keep-data", "data", "--yes"]).await;
    assert_eq!(cleaned.exit, Exit::Done, "{}", cleaned.err);
    let anew = call(folder.path(), &run).await;
    assert_eq!(anew.exit, Exit::Done, "{}{}", anew.out, anew.err);
    let nowhere = call(folder.path(), &["clean", "one"]).await;
    assert!(nowhere.err.contains("run against the embedded system, in this process"), "{}", nowhere.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_load_has_not_made_is_neither_used_nor_made_by_cleaning() {
    let folder = folder();
    // Whatever waits in the folder of a real system would be done, and nobody would get it.
    unserved(folder.path()).await;
    let data = folder.path().join("data");
    let before: BTreeSet<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let used = call(folder.path(), &["run", "few.toml", "--run", "one", "--keep-data", "data"]).await;
    assert_eq!(used.exit, Exit::Refused, "{}", used.err);
    assert!(used.err.contains("--backend sqlite:DIR"), "{}", used.err);
    for there in ["data", "nowhere"] {
        let cleaned = call(folder.path(), &["clean", "one", "--keep-data", there, "--yes"]).await;
        assert_eq!(cleaned.exit, Exit::NothingMatched, "{}", cleaned.err);
    }
    assert_eq!(fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>(), before);
    assert!(!folder.path().join("nowhere").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_load_that_was_served_since_is_no_folder_of_load_any_more() {
    let folder = folder();
    let run = |name| ["run", "few.toml", "--keep-data", "data", "--run", name];
    for name in ["one", "two"] {
        let kept = call(folder.path(), &run(name)).await;
        assert_eq!(kept.exit, Exit::Done, "{name}: {}{}", kept.out, kept.err);
    }
    unserved(folder.path()).await;
    let used = call(folder.path(), &run("three")).await;
    assert_eq!(used.exit, Exit::Refused, "{}", used.err);
    assert!(used.err.contains("or it was served since"), "{}", used.err);
    let cleaned = call(folder.path(), &["clean", "one", "--keep-data", "data", "--yes"]).await;
    assert_eq!(cleaned.exit, Exit::NothingMatched, "{}", cleaned.err);
    let beside = format!("sqlite:{}", folder.path().join("data").display());
    let cleaned = call(folder.path(), &["clean", "one", "--backend", &beside, "--yes"]).await;
    assert_eq!(cleaned.exit, Exit::Done, "{}", cleaned.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_has_gone_changes_nothing_about_the_verdict() {
    let folder = folder();
    for (arguments, exit) in [
        (&["run", "few.toml", "--run", "one", "--slo", "throughput>=1000/s"][..], Exit::Failed),
        (&["run", "few.toml", "--run", "two", "--keep-data", "data"], Exit::Done),
        (&["report", "one", "--output", "json"], Exit::Failed),
        (&["report", "two"], Exit::Done),
        (&["compare", "one", "two"], Exit::Done),
        (&["clean", "three", "--keep-data", "data"], Exit::NothingMatched),
    ] {
        let ended = call_writing(folder.path(), arguments, Box::new(Gone)).await;
        let ended = ended.map_err(|Stopped { exit, message }| (exit, message));
        assert_eq!(ended, Ok(exit), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_ends_a_search_and_not_what_is_known_by_then() {
    let folder = folder();
    let text = fs::read_to_string(folder.path().join("few.toml")).unwrap();
    fs::write(folder.path().join("few.toml"), format!("{text}[guards]\nmax_events = 50\n")).unwrap();
    let search = ["find-max", "few.toml", "--slo", "lost<1", "--from", "20/s", "--step", "2s", "--run", "search"];
    let called = call(folder.path(), &search).await;
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    assert!(called.out.contains("20.0/s"), "{}", called.out);
    let told = "at least 20.0/s; the search ended early: at 40.0/s the scenario sends 80 events, and may send 50";
    assert!(called.out.contains(told), "{}", called.out);
    let kept = folder.path().join(".sendoff-load/find-max.json");
    let found: serde_json::Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(
        (&found["run"], &found["best"], &found["steps"][0]["run"]),
        (&"search".into(), &20.0.into(), &"search-1".into())
    );
    assert!(called.err.contains(&format!("The result is in {}", kept.display())), "{}", called.err);
    let none =
        call(folder.path(), &["find-max", "few.toml", "--slo", "lost<1", "--from", "30/s", "--step", "2s"]).await;
    assert_eq!((none.exit, none.out.as_str()), (Exit::Refused, ""), "{}", none.err);
}

#[tokio::test]
async fn a_trace_of_more_than_a_week_is_refused_unless_it_is_cut() {
    let folder = folder();
    fs::write(folder.path().join("ages.txt"), "0\n9000000000\n").unwrap();
    let text = "[rate]\nshape = \"trace\"\nfile = \"ages.txt\"\nspeed = 0.01\n[[event]]\ntype = \"app.unassigned\"\n";
    fs::write(folder.path().join("ages.toml"), text).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let called = call(folder.path(), &[&["run", "ages.toml"], more].concat()).await;
        assert_eq!(called.exit, Exit::Usage, "{}{}", called.out, called.err);
        assert!(called.err.contains("a run 168.0 h at most: cut it with `duration`"), "{}", called.err);
        assert!(runs(folder.path()).is_empty());
    }
    let cut = call(folder.path(), &["run", "ages.toml", "--dry-run", "--duration", "5s"]).await;
    assert_eq!(cut.exit, Exit::Done, "{}", cut.err);
}

#[cfg(unix)]
mod signals {
    use std::{
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Waits until something is so.
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline for what has to come, measured by the machine's own time"
    )]
    fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = ask() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "it doesn't come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn terminate(child: &Child) {
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    }

    #[test]
    fn a_request_to_stop_is_heard_while_the_system_starts_and_leaves_nothing() {
        let folder = folder();
        let many = fs::read_to_string(folder.path().join("few.toml")).unwrap() + "[keys]\nusers = 100000\n";
        fs::write(folder.path().join("many.toml"), many).unwrap();
        let temporary = folder.path().join("temporary");
        fs::create_dir(&temporary).unwrap();
        let entries = || fs::read_dir(&temporary).unwrap().count();
        let mut child = Command::new(env!("CARGO_BIN_EXE_load"))
            .args(["run", "many.toml", "--run", "one"])
            .current_dir(folder.path())
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually(|| (entries() > 0).then_some(()));
        terminate(&child);
        let status = eventually(|| child.try_wait().unwrap());
        let told = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(3), "{told}");
        assert!(told.contains("SIGTERM: the sending was stopped, before it had begun"), "{told}");
        assert_eq!(entries(), 0, "the folder of the data is left");
        assert!(runs(folder.path()).is_empty());
    }

    #[test]
    fn a_request_to_stop_says_at_once_what_is_waited_for() {
        let folder = folder();
        let mut child = Command::new(env!("CARGO_BIN_EXE_load"))
            .args(["run", "few.toml", "--run", "one", "--duration", "1h"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let list = folder.path().join(".sendoff-load/one/events.ndjson");
        eventually(|| fs::metadata(&list).is_ok_and(|facts| facts.len() > 0).then_some(()));
        terminate(&child);
        let status = eventually(|| child.try_wait().unwrap());
        let told = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(3), "{told}");
        assert!(told.contains("SIGTERM: nothing more is sent; waiting up to "), "{told}");
        assert!(folder.path().join(".sendoff-load/one/report.json").is_file());
    }

    #[test]
    fn a_request_to_stop_during_the_preparation_takes_back_what_was_made() {
        let folder = folder();
        let many = fs::read_to_string(folder.path().join("few.toml")).unwrap() + "[keys]\nusers = 100000\n";
        fs::write(folder.path().join("many.toml"), many).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_load"))
            .args(["run", "many.toml", "--run", "one", "--keep-data", "data"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The folder of the run is made right before the users are.
        eventually(|| (!runs(folder.path()).is_empty()).then_some(()));
        terminate(&child);
        let status = eventually(|| child.try_wait().unwrap());
        let told = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(3), "{told}");
        assert!(runs(folder.path()).is_empty());
        let left = Command::new(env!("CARGO_BIN_EXE_load"))
            .args(["clean", "one", "--keep-data", "data"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .status();
        assert_eq!(left.unwrap().code(), Some(i32::from(Exit::NothingMatched as u8)), "something is left");
    }
}
