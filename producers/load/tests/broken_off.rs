//! Runs that don't come to their end, and what is left of them; and what others say of theirs.

use std::{
    fs::{self, File},
    time::Duration,
};

use sendoff_embedded::{
    System,
    config::{Config, ConfigFile, Inputs},
};
use sendoff_events::Clock as _;
use sendoff_host::{Exit, SystemClock};
use sendoff_producers::{
    Expected, RecordKey, UnitOfWork, Write,
    api::{DevelopmentKey, mint},
};
use serde_json::json;

use crate::{
    answering::answering,
    command_line::{call, folder},
    targets::given::eventually,
};

/// A system that is served from `data`, and takes load tests.
async fn serve(folder: &std::path::Path) -> (System, String) {
    let data = folder.join("data").display().to_string();
    let flags = [("data", data.clone()), ("listen", "127.0.0.1:0".to_owned())];
    let inputs = Inputs {
        flags: flags.map(|(key, value)| ("--set".to_owned(), key.to_owned(), value)).into(),
        file: ConfigFile::Nothing,
        ..Inputs::default()
    };
    let text = fs::read_to_string(folder.join("few.toml")).unwrap().replace("app.unassigned", "submission.created");
    fs::write(folder.join("made.toml"), text).unwrap();
    fs::write(folder.join("token"), "t").unwrap();
    (System::start(&Config::load(&inputs).unwrap()).await.unwrap(), format!("sqlite:{data}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_be_prepared_leaves_neither_records_nor_its_name() {
    let folder = folder();
    let (system, beside) = serve(folder.path()).await;
    // It takes any token, and lets nobody make an app.
    let closed = answering(|asked| match asked {
        "GET /health" => (200, "{\"load_tests\":true}".into()),
        asked if asked.starts_with("PUT ") => (403, "nobody may".into()),
        _ => (404, "{}".into()),
    });
    // It can't say now whether it can be made.
    let busy = answering(|asked| match asked {
        "GET /health" => (200, "{\"load_tests\":true}".into()),
        asked if asked.starts_with("PUT ") => (503, "busy".into()),
        _ => (404, "{}".into()),
    });
    for (api, exit, told) in [
        (system.address(), Exit::Usage, "trying the token of the API: it is answered with 401 Unauthorized"),
        (closed, Exit::Usage, "403 Forbidden: nobody may"),
        (busy, Exit::Unreachable, "making the app `load-one-0` of the run by the API: 503 Service Unavailable: busy"),
    ] {
        let api = format!("http://{api}");
        let run = ["run", "made.toml", "--run", "one", "--via", "api", "--backend", &beside, "--token-file", "token"];
        let called = call(folder.path(), &[&run[..], &["--api", &api]].concat()).await;
        assert_eq!(called.exit, exit, "{}", called.err);
        assert!(called.err.contains(told) && !called.err.contains("still there"), "{}", called.err);
        assert!(!folder.path().join(".sendoff-load/one").exists());
        let left = call(folder.path(), &["clean", "one", "--backend", &beside]).await;
        assert_eq!(left.exit, Exit::NothingMatched, "{}", left.out);
    }
    let again = ["run", "made.toml", "--run", "one", "--via", "api", "--backend", &beside];
    let called = call(folder.path(), &[&again[..], &["--api", &format!("http://{}", system.address())]].concat()).await;
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    system.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_run_that_was_killed_can_be_used_again_but_not_that_of_one_that_goes_on() {
    let folder = folder();
    let of_run = folder.path().join(".sendoff-load/one");
    let list = || fs::read_to_string(of_run.join("events.ndjson")).unwrap();
    let run = ["run", "few.toml", "--run", "one"];
    let kept = [&run[..], &["--keep-data", "kept"]].concat();
    assert_eq!(call(folder.path(), &kept).await.exit, Exit::Done);
    // As if it had been killed before its end.
    fs::remove_file(of_run.join("report.json")).unwrap();
    let of_the_other = list();
    for arguments in [&["report", "one"][..], &["compare", "one", "one"]] {
        let called = call(folder.path(), arguments).await;
        assert_eq!(called.exit, Exit::NothingMatched, "{}", called.err);
        assert!(called.err.contains("was broken off before its end. Its name can be used again"), "{}", called.err);
    }
    let going_on = File::open(of_run.join("events.ndjson")).unwrap();
    going_on.lock().unwrap();
    let called = call(folder.path(), &run).await;
    assert_eq!(called.exit, Exit::Refused, "{}", called.err);
    assert!(called.err.contains("another process is at a run `one`"), "{}", called.err);
    drop(going_on);
    // Where something of the other is left, its list is too: cleaning up goes by it.
    let called = call(folder.path(), &kept).await;
    assert!(called.err.contains("there is a run `one` in this system already"), "{}", called.err);
    assert_eq!(list(), of_the_other);

    let called = call(folder.path(), &run).await;
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    assert!(list().lines().count() == 20 && list() != of_the_other, "{}", list());
    let again = call(folder.path(), &run).await;
    assert!(again.exit == Exit::Refused && again.err.contains("there is already a run `one`"), "{}", again.err);
}

/// With a token what the API makes belongs to that one's tenant, which has an app of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_makes_for_the_tenant_of_a_token_is_cleaned_up_with_it() {
    let folder = folder();
    let (system, beside) = serve(folder.path()).await;
    let (acme, ada) = ("acme".parse().unwrap(), "ada".parse().unwrap());
    let key = DevelopmentKey::loopback(system.address()).unwrap().signing();
    let token = mint(&key, &acme, &ada, Duration::from_secs(600), &SystemClock).unwrap();
    fs::write(folder.path().join("token"), token).unwrap();
    let store = system.store().records();
    let ids = async |collection: &'static str| {
        let page = store.list(&acme, collection, "", None, 100).await.unwrap();
        page.records.into_iter().map(|record| record.key.id).collect::<Vec<_>>()
    };
    let crm =
        Write { key: RecordKey::new(&acme, "apps", "load-one"), expected: Expected::Absent, data: Some(json!({})) };
    let work = UnitOfWork::new(acme.clone(), "ada", SystemClock.now()).write(crm).without_events();
    store.commit(work).await.unwrap();

    let api = format!("http://{}", system.address());
    let run = ["run", "made.toml", "--run", "one", "--via", "api", "--backend", &beside, "--token-file", "token"];
    let called = call(folder.path(), &[&run[..], &["--api", &api]].concat()).await;
    assert_eq!(called.exit, Exit::Done, "{}{}", called.out, called.err);
    assert_eq!(ids("apps").await, ["load-one", "load-one-0", "load-one-1", "load-one-2"]);
    // One entry for each app, and one for each submission.
    eventually((20, 24), async || (ids("submissions").await.len(), ids("timeline").await.len())).await;
    let clean = ["clean", "one", "--backend", &beside, "--yes"];
    let cleaned = call(folder.path(), &clean).await;
    assert_eq!(cleaned.exit, Exit::Done, "{}", cleaned.err);
    assert_eq!((ids("apps").await, ids("submissions").await.len()), (vec!["load-one".to_owned()], 0));
    assert_eq!(ids("timeline").await.len(), 1);
    assert_eq!(call(folder.path(), &clean).await.exit, Exit::NothingMatched);
    system.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_or_a_report_says_neither_steers_the_terminal_nor_fills_it() {
    let folder = folder();
    let (system, beside) = serve(folder.path()).await;
    let rude = answering(|asked| match asked {
        "GET /health" => (200, "{\"load_tests\":true}".into()),
        asked if !asked.starts_with("POST ") => (200, "{}".into()),
        _ => (400, format!("\u{1b}[31mEVIL{}", "x".repeat(60_000))),
    });
    let api = format!("http://{rude}");
    let run = ["run", "made.toml", "--run", "one", "--via", "api", "--backend", &beside, "--api", &api];
    let called = call(folder.path(), &[&run[..], &["--token-file", "token"]].concat()).await;
    assert_eq!(called.exit, Exit::Failed, "{}", called.err);
    let note = called.out.lines().find(|line| line.contains("400 Bad Request:  [31mEVILxxx")).unwrap();
    assert!(note.chars().count() < 400 && note.ends_with("xxx…") && !called.out.contains('\u{1b}'), "{note}");
    assert_eq!(call(folder.path(), &["report", "one"]).await.out, called.out);
    system.shutdown().await.unwrap();

    let report = fs::read_to_string(folder.path().join(".sendoff-load/one/report.json")).unwrap();
    let evil = report.replace("\"run\": \"one\"", &format!("\"run\": \"\\u001b]0;title\\u0007{}\"", "x".repeat(5000)));
    fs::write(folder.path().join("evil.json"), &evil).unwrap();
    let unknown = evil.replace("\"word\": \"failed\"", "\"word\": \"\\u001b[31m\"");
    fs::write(folder.path().join("unknown.json"), unknown).unwrap();
    for arguments in [&["report", "evil.json"][..], &["compare", "evil.json", "one"], &["report", "unknown.json"]] {
        let called = call(folder.path(), arguments).await;
        let told = called.out + &called.err;
        assert!(!told.is_empty() && !told.contains(['\u{1b}', '\u{7}']) && !told.contains(&"x".repeat(1001)), "{told}");
    }
}
