//! Runs of workflows, as an engine keeps them: each change is one step with the messages that carry the run on.

use std::time::Duration;

use futures::future::join_all;
use sendoff_consumers::{
    NewMessage, NewRun, RunChange, RunEntry, RunFailure, RunFilter, RunStatus, Runs, RunsOf, StepMessage, Stranded,
    WORKFLOW_STEPS,
};
use sendoff_events::Timestamp;
use sendoff_workflows::engine::{Entry, Instance, What};
use serde_json::json;

use super::{
    Backend,
    given::{acme, at, soon, tenant},
};

const STATUSES: [RunStatus; 4] = [RunStatus::Running, RunStatus::Succeeded, RunStatus::Failed, RunStatus::Stopped];

fn runs(backend: &dyn Backend) -> std::sync::Arc<dyn Runs> {
    backend.runs().expect("whoever lacks them is excused")
}

fn run(name: &str) -> NewRun {
    NewRun {
        name: name.into(),
        tenant: acme(),
        app: "crm".parse().expect("an id"),
        workflow: "welcome".parse().expect("a name"),
        version: 3,
        input: json!({ "b": [1, { "z": null, "a": "漢字" }], "a": u64::MAX }),
    }
}

fn to(status: RunStatus) -> RunChange {
    RunChange { state: "{}".into(), status, failure: None, history: Vec::new(), messages: Vec::new() }
}

fn message(name: &str, due: Timestamp) -> StepMessage {
    let message = NewMessage { body: name.to_owned().into(), delay: Duration::from_secs(99), ..NewMessage::default() };
    StepMessage { name: name.into(), due, message }
}

fn entry(n: usize) -> Entry {
    Entry {
        at: "2026-11-26T08:00:00Z".parse().expect("a moment"),
        what: What::Done,
        instance: Some(Instance::new("mail", &[u32::try_from(n).expect("a small number")])),
        attempt: Some(1),
        input: None,
        output: Some(json!({ "status": "sent" })),
        error: None,
    }
}

/// What can be received right now.
async fn bodies(backend: &dyn Backend) -> Vec<String> {
    let queue = backend.create_queue(WORKFLOW_STEPS, None).await;
    let received = soon("a receive", queue.receive(100, Duration::ZERO, backend.tick())).await.expect("received");
    let mut bodies: Vec<_> = received.iter().map(|d| String::from_utf8_lossy(&d.body).into_owned()).collect();
    bodies.sort();
    bodies
}

pub(super) async fn a_stored_run_comes_back_as_it_was(backend: &dyn Backend) {
    let (runs, before) = (runs(backend), at(backend));
    let change = RunChange { state: "{\"at\":\"ask\"}".into(), ..to(RunStatus::Running) };
    assert!(runs.create(&run("r1"), change).await.expect("created"));
    let found = runs.load("r1").await.expect("readable").expect("there");
    assert_eq!((found.run.started, &*found.state, found.revision), (run("r1"), "{\"at\":\"ask\"}", 1));
    assert_eq!((found.run.status, found.run.ended_at, found.run.failure), (RunStatus::Running, None, None));
    assert!(before <= found.run.started_at && found.run.started_at <= backend.clock().now());
    assert_eq!(runs.load("r2").await.expect("readable"), None);
}

pub(super) async fn a_name_is_taken_once_and_what_stands_there_stays(backend: &dyn Backend) {
    let runs = runs(backend);
    assert!(runs.create(&run("r1"), to(RunStatus::Running)).await.expect("created"));
    let other = NewRun { version: 4, ..run("r1") };
    let change = RunChange { messages: vec![message("x", at(backend))], ..to(RunStatus::Stopped) };
    assert!(!runs.create(&other, change).await.expect("answered"));
    let found = runs.load("r1").await.expect("readable").expect("there");
    assert_eq!((found.run.started.version, found.run.status), (3, RunStatus::Running));
    assert_eq!(bodies(backend).await, [] as [&str; 0]);
    let creations = (0..20).map(|_| async { runs.create(&run("r2"), to(RunStatus::Running)).await });
    let created = join_all(creations).await.into_iter().filter(|created| matches!(created, Ok(true)));
    assert_eq!(created.count(), 1);
}

pub(super) async fn of_concurrent_changes_of_one_revision_exactly_one_is_made(backend: &dyn Backend) {
    let runs = runs(backend);
    runs.create(&run("r1"), to(RunStatus::Running)).await.expect("created");
    let changes = (0..20).map(|n| {
        let change = RunChange {
            state: n.to_string(),
            history: vec![entry(n)],
            messages: vec![message(&n.to_string(), at(backend))],
            ..to(RunStatus::Running)
        };
        let runs = runs.clone();
        async move { runs.commit("r1", 1, change).await.expect("answered") }
    });
    let made: Vec<usize> =
        join_all(changes).await.into_iter().enumerate().filter_map(|(n, made)| made.then_some(n)).collect();
    assert_eq!(made.len(), 1);
    let found = runs.load("r1").await.expect("readable").expect("there");
    assert_eq!((found.state, found.revision), (made[0].to_string(), 2));
    let history = runs.history("r1", 0, 100).await.expect("readable");
    assert_eq!(history.entries, [RunEntry { number: 1, entry: entry(made[0]) }]);
    assert_eq!(bodies(backend).await, [made[0].to_string()]);
    assert!(!runs.commit("never", 1, to(RunStatus::Running)).await.expect("answered"));
}

pub(super) async fn a_message_of_a_run_arrives_when_it_is_due_however_far_away(backend: &dyn Backend) {
    let (runs, now, tick) = (runs(backend), at(backend), backend.tick());
    let centuries = "2600-01-01T00:00:00Z".parse().expect("a moment");
    let messages = vec![
        message("now", now - tick),
        message("soon", now.checked_add(tick * 3).expect("a moment")),
        message("never", centuries),
    ];
    runs.create(&run("r1"), RunChange { messages, ..to(RunStatus::Running) }).await.expect("created");
    assert_eq!(bodies(backend).await, ["now"]);
    backend.advance(tick * 3).await;
    // The first one was leased for a tick, and nobody has acked it.
    assert_eq!(bodies(backend).await, ["now", "soon"]);
}

pub(super) async fn a_message_that_waits_is_not_sent_again_under_its_name(backend: &dyn Backend) {
    let (runs, now) = (runs(backend), at(backend));
    let change = || RunChange { messages: vec![message("ask", now)], ..to(RunStatus::Running) };
    runs.create(&run("r1"), change()).await.expect("created");
    assert!(runs.commit("r1", 1, change()).await.expect("changed"));
    assert!(runs.create(&run("r2"), change()).await.expect("created"), "another run has names of its own");
    assert_eq!(bodies(backend).await, ["ask", "ask"]);
}

pub(super) async fn with_the_end_of_a_run_its_waiting_messages_go(backend: &dyn Backend) {
    let (runs, tick) = (runs(backend), backend.tick());
    let later = at(backend).checked_add(tick * 2).expect("a moment");
    for name in ["r1", "r2"] {
        let change = RunChange { messages: vec![message(name, later)], ..to(RunStatus::Running) };
        runs.create(&run(name), change).await.expect("created");
    }
    let failure = Some(RunFailure { error: "Workflow.Failed".into(), cause: "no budget".into() });
    let end = RunChange { failure: failure.clone(), ..to(RunStatus::Failed) };
    assert!(runs.commit("r1", 1, end).await.expect("changed"));
    let found = runs.load("r1").await.expect("readable").expect("there").run;
    assert_eq!((found.status, found.failure), (RunStatus::Failed, failure));
    assert!(found.ended_at.is_some_and(|ended| ended >= found.started_at));
    backend.advance(tick * 2).await;
    assert_eq!(bodies(backend).await, ["r2"]);
}

pub(super) async fn a_run_that_has_ended_can_go_on(backend: &dyn Backend) {
    let runs = runs(backend);
    runs.create(&run("r1"), to(RunStatus::Failed)).await.expect("created");
    let change = RunChange { messages: vec![message("again", at(backend))], ..to(RunStatus::Running) };
    assert!(runs.commit("r1", 1, change).await.expect("changed"));
    let found = runs.load("r1").await.expect("readable").expect("there").run;
    assert_eq!((found.status, found.ended_at, found.failure), (RunStatus::Running, None, None));
    assert_eq!(bodies(backend).await, ["again"]);
}

pub(super) async fn a_history_is_read_page_by_page_in_its_order(backend: &dyn Backend) {
    let runs = runs(backend);
    let all: Vec<Entry> = (0..7).map(entry).collect();
    let notes = |range: std::ops::Range<usize>| all[range].to_vec();
    runs.create(&run("r1"), RunChange { history: notes(0..3), ..to(RunStatus::Running) }).await.expect("created");
    let change = RunChange { history: notes(3..7), ..to(RunStatus::Succeeded) };
    assert!(runs.commit("r1", 1, change).await.expect("changed"));
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = runs.history("r1", after, 2).await.expect("readable");
        assert!(page.entries.len() <= 2);
        found.extend(page.entries);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let expected: Vec<_> = (1..).zip(all).map(|(number, entry)| RunEntry { number, entry }).collect();
    assert_eq!(found, expected);
    assert_eq!(runs.history("r2", 0, 10).await.expect("readable").entries, []);
}

pub(super) async fn runs_are_listed_by_each_filter_those_started_last_first(backend: &dyn Backend) {
    let runs = runs(backend);
    let app = |name: &str| name.parse::<sendoff_events::AppId>().expect("an id");
    for n in 0..24u32 {
        let new = NewRun {
            tenant: tenant(["acme", "globex"][usize::from(n % 8 == 7)]),
            app: app(["crm", "hr"][usize::from(n % 2 == 1)]),
            workflow: ["a", "b", "c"][n as usize % 3].parse().expect("a name"),
            ..run(&format!("r{n:02}"))
        };
        let status = STATUSES[n as usize / 2 % 4];
        runs.create(&new, to(status)).await.expect("created");
    }
    let all = [RunsOf::Tenant, RunsOf::App(app("hr")), RunsOf::Workflow(app("crm"), "b".parse().expect("a name"))];
    let statuses = STATUSES.into_iter().map(Some).chain([None]);
    for (of, status) in all.iter().flat_map(|of| statuses.clone().map(move |status| (of, status))) {
        let filter = RunFilter { tenant: acme(), of: of.clone(), status };
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = runs.list(&filter, after.as_deref(), 2).await.expect("readable");
            assert!(page.runs.len() <= 2 && page.runs.iter().all(|run| filter.lets_through(run)), "{page:?}");
            names.extend(page.runs.into_iter().map(|run| run.started.name));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut expected = Vec::new();
        for n in (0..24).rev() {
            let found = runs.load(&format!("r{n:02}")).await.expect("readable").expect("there");
            expected.extend(filter.lets_through(&found.run).then_some(found.run.started.name));
        }
        assert_eq!(names, expected, "{filter:?}");
    }
}

pub(super) async fn a_running_run_without_a_message_is_found(backend: &dyn Backend) {
    let (runs, now) = (runs(backend), at(backend));
    for n in 0..9 {
        let messages = if n % 3 == 0 { Vec::new() } else { vec![message("m", now)] };
        let status = if n == 6 { RunStatus::Succeeded } else { RunStatus::Running };
        runs.create(&run(&format!("r{n}")), RunChange { messages, ..to(status) }).await.expect("created");
    }
    // Also what is held carries its run on.
    assert_eq!(bodies(backend).await.len(), 6);
    let (mut stranded, mut after) = (Vec::new(), None);
    loop {
        let Stranded { runs: found, next } = runs.stranded(after.as_deref(), 2).await.expect("readable");
        stranded.extend(found);
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(stranded, ["r0", "r3"]);
}
