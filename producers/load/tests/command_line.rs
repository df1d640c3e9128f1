//! The program `load`, as it is called.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use sendoff_host::{Exit, Stopped, SystemClock};
use sendoff_load::cli::{Session, load};
use serde_json::json;

use crate::report::golden;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(crate) struct Called {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Calls the program; its data goes to `out`, its prose nowhere.
pub(crate) async fn call_writing(
    folder: &Path,
    arguments: &[&str],
    out: Box<dyn Write + Send>,
) -> Result<Exit, Stopped> {
    called(folder, arguments, out, Box::new(io::sink())).await
}

async fn called(
    folder: &Path,
    arguments: &[&str],
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
) -> Result<Exit, Stopped> {
    let clock = Arc::new(SystemClock);
    let mut session = Session { clock, folder: folder.to_owned(), out, err, err_is_terminal: false };
    let all = std::iter::once("load").chain(arguments.iter().copied()).map(OsString::from);
    load(all, &mut session).await
}

pub(crate) async fn call(folder: &Path, arguments: &[&str]) -> Called {
    let (out, err) = (Paper::default(), Paper::default());
    let ended = called(folder, arguments, Box::new(out.clone()), Box::new(err.clone())).await;
    let (exit, message) = match ended {
        Ok(exit) => (exit, None),
        Err(stopped) => (stopped.exit, stopped.message),
    };
    Called { exit, out: out.text(), err: format!("{}{}", err.text(), message.unwrap_or_default()) }
}

const SCENARIO: &str = "name = \"few\"\nduration = \"2s\"\n[rate]\nrate = \"10/s\"\n[[event]]\ntype = \"app.unassigned\"\n\
                        [generator]\nlate_share = 1\n";

pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("few.toml"), SCENARIO).unwrap();
    folder
}

#[tokio::test]
async fn the_help_reads_as_it_should() {
    let folder = folder();
    let mut all = String::new();
    for verb in ["", "run", "find-max", "soak", "compare", "report", "clean"] {
        let arguments: Vec<&str> = [verb, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let called = call(folder.path(), &arguments).await;
        assert_eq!(called.exit, Exit::Done);
        all.push_str(&format!("$ load {}\n{}\n", arguments.join(" "), called.out));
    }
    golden("help.txt", &all);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let folder = folder();
    let called = call(folder.path(), &["run", "few.toml", "--dry-run", "--slo", "e2e p99<5s"]).await;
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    assert!(called.out.contains("few: 20 events at 10/s via topic, over 2.00 s, at most 10/s"), "{}", called.out);
    assert!(called.out.contains("e2e p99<5s"));
    assert!(!folder.path().join(".sendoff-load").exists());
}

#[tokio::test]
async fn a_dry_run_says_it_to_programs_too() {
    let folder = folder();
    let arguments = ["run", "few.toml", "--dry-run", "--backend", "sqlite:data", "--slo", "e2e[email] p99<5s"];
    for format in ["json", "ndjson"] {
        let called = call(folder.path(), &[&arguments[..], &["--output", format]].concat()).await;
        assert_eq!(called.exit, Exit::Done, "{}", called.err);
        assert_eq!(called.out.lines().count() > 1, format == "json", "{}", called.out);
        let told: serde_json::Value = serde_json::from_str(&called.out).expect(format);
        assert_eq!((&told["events"], &told["rate"], &told["via"]), (&json!(20), &json!("10/s"), &json!("topic")));
        assert_eq!((&told["duration_s"], &told["peak_per_s"]), (&json!(2.0), &json!(10.0)));
        assert!(told["slo"].as_array().unwrap().contains(&json!("e2e[email] p99<5s")), "{told}");
        assert_eq!(told["unchecked_consumers"], json!(["email"]));
    }
}

#[tokio::test]
async fn each_refusal_has_its_exit_code_and_leaves_nothing() {
    let folder = folder();
    let cases: [(&[&str], Exit, &str); 8] = [
        (&["run", "none.toml"], Exit::Usage, "it can't be read"),
        (&["run", "few.toml", "--rate", "soon"], Exit::Usage, "--rate: rate.rate = \"soon\""),
        (&["run", "few.toml", "--slo", "e2e"], Exit::Usage, "--slo `e2e`"),
        (&["run", "few.toml", "--backend", "gcp"], Exit::Usage, "sqlite:DIR"),
        (
            &["run", "few.toml", "--backend", "sqlite:data", "--api", "https://api.example.org"],
            Exit::Refused,
            "another machine",
        ),
        (&["run", "few.toml", "--rate", "20000/s"], Exit::Refused, "guards.max_rate"),
        (&["find-max", "few.toml"], Exit::Usage, "say what has to hold"),
        (&["compare", "one", "other"], Exit::NothingMatched, "can't be read"),
    ];
    for (arguments, exit, told) in cases {
        let called = call(folder.path(), arguments).await;
        assert_eq!(called.exit, exit, "{arguments:?}: {}", called.err);
        assert!(called.err.contains(told), "{arguments:?}: {}", called.err);
    }
    fs::create_dir(folder.path().join(".sendoff-load")).unwrap();
    fs::write(folder.path().join(".sendoff-load/STOP"), "").unwrap();
    let called = call(folder.path(), &["run", "few.toml"]).await;
    assert_eq!((called.exit, called.out.as_str()), (Exit::Refused, ""));
    assert!(called.err.contains("kill switch"), "{}", called.err);
    assert_eq!(fs::read_dir(folder.path().join(".sendoff-load")).unwrap().count(), 1, "no run was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_against_a_system_of_its_own_is_reported_and_can_be_compared_with_itself() {
    let folder = folder();
    let called = call(folder.path(), &["run", "few.toml", "--run", "one"]).await;
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    assert!(called.out.contains("20 sent = 20 done + 0 lost"), "{}", called.out);
    let events = fs::read_to_string(folder.path().join(".sendoff-load/one/events.ndjson")).unwrap();
    assert_eq!(events.lines().count(), 20);
    let first: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    assert_eq!(first["number"], 0);
    assert!(folder.path().join(".sendoff-load/one/report.html").is_file());

    let again = call(folder.path(), &["run", "few.toml", "--run", "one"]).await;
    assert_eq!(again.exit, Exit::Refused, "a run isn't overwritten");
    let shown = call(folder.path(), &["report", "one", "--html", "page.html"]).await;
    assert_eq!((shown.exit, &shown.out), (Exit::Done, &called.out));
    let gate = ["compare", "one", ".sendoff-load/one/report.json", "--fail-if-worse"];
    let compared = call(folder.path(), &[&gate[..], &["--allow-unknown"]].concat()).await;
    assert_eq!(compared.exit, Exit::Done, "{}{}", compared.out, compared.err);
    assert!(compared.out.contains("no difference seen") && !compared.out.contains("worse"), "{}", compared.out);
    assert!(compared.err.contains("warning: can't be compared: publish ack p90 (takes 100"), "{}", compared.err);
    let blind = call(folder.path(), &gate).await;
    assert_eq!(blind.exit, Exit::Failed, "{}{}", blind.out, blind.err);
    assert!(blind.err.contains("failed: can't be compared: publish ack p90 (takes 100"), "{}", blind.err);
    assert!(blind.err.contains("not judged, since it can't be compared: publish ack p99.9, "), "{}", blind.err);
}

#[tokio::test]
async fn what_could_never_be_measured_is_refused_by_a_dry_run_too() {
    let folder = folder();
    for (slo, told) in [
        ("e2e[webhok] p99<1s", "did you mean `webhook`?"),
        ("queue[nosuch] p99<1s", "neither a type of the mix nor a consumer that gets it"),
        ("publish[email] p99<1s", "what is published has no consumer yet"),
        ("e2e[email] p99<1s", "there are app.unassigned, webhook"),
    ] {
        let called = call(folder.path(), &["run", "few.toml", "--dry-run", "--slo", slo]).await;
        assert_eq!(called.exit, Exit::Usage, "{slo}: {}", called.out);
        assert!(called.err.contains(told), "{slo}: {}", called.err);
    }
    let fine =
        ["run", "few.toml", "--dry-run", "--slo", "e2e[webhook] p99<1s", "--slo", "publish[app.unassigned] p99<1s"];
    let called = call(folder.path(), &fine).await;
    assert_eq!((called.exit, called.err.as_str()), (Exit::Done, ""));
    // What another system has, only that one knows.
    let beside = [&fine[..], &["--backend", "sqlite:data", "--slo", "e2e[mine] p50<1s"]].concat();
    let called = call(folder.path(), &beside).await;
    let told = "not checked, since only the system knows its consumers: webhook, mine\n";
    assert_eq!((called.exit, called.err.as_str()), (Exit::Done, told));
}

#[tokio::test]
async fn what_is_wrong_with_the_command_line_is_told_in_true_words() {
    let folder = folder();
    for (rate, told) in [("0.5/s", "at most 0.5/s"), ("30/min", "at most 0.5/s"), ("0.1/s", "at most 0.1/s")] {
        let called = call(folder.path(), &["run", "few.toml", "--dry-run", "--duration", "60s", "--rate", rate]).await;
        assert!(called.out.contains(told), "{rate}: {}{}", called.out, called.err);
    }
    let called = call(folder.path(), &["run", "few.toml", "--slo", "foo<1", "--slo", "e2e p101<5s"]).await;
    assert!(called.err.contains("--slo `foo<1`: ") && called.err.contains("--slo `e2e p101<5s`: "), "{}", called.err);
    for api in ["ftp://127.0.0.1", "http://me:secret@127.0.0.1:1"] {
        let called = call(folder.path(), &["run", "few.toml", "--backend", "sqlite:data", "--api", api]).await;
        assert_eq!(called.exit, Exit::Usage, "{}", called.err);
        assert!(!called.err.contains("secret"), "{}", called.err);
    }
}

#[tokio::test]
async fn moments_of_a_trace_that_are_left_out_are_told() {
    let folder = folder();
    fs::write(folder.path().join("monday.txt"), "0\n1\n2\n3\n").unwrap();
    let trace = format!("trace:{}", folder.path().join("monday.txt").display());
    let called = call(folder.path(), &["run", "few.toml", "--dry-run", "--rate", &trace]).await;
    assert!(
        called.out.contains("2 moments of the trace come after `duration` and are left out"),
        "{}{}",
        called.out,
        called.err
    );
}

#[tokio::test]
async fn a_report_of_another_format_is_refused_with_what_to_do() {
    let folder = folder();
    fs::write(folder.path().join("old.json"), "{\"format\":1,\"run\":\"old\"}").unwrap();
    for arguments in [&["report", "old.json"][..], &["compare", "old.json", "old.json"]] {
        let called = call(folder.path(), arguments).await;
        assert_eq!(called.exit, Exit::Usage, "{}", called.err);
        assert!(called.err.contains("is a report of format 1, and this program reads format 2"), "{}", called.err);
    }
}
