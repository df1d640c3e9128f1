use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use sendoff_events::{AnyEnvelope, ApprovalDecided, BoxFuture, Decision, Personal, TenantId};
use sendoff_producers::{
    Answer, CommitError, Committed, Lookup, Page, ReadError, Record, RecordKey, Records, UnitOfWork,
    model::{Approval, approval_key},
};
use serde_json::{Value, json};

use super::{CallbackState, Stage, unsubscribe::is_harmless};
use crate::{
    NewRun, RunStatus,
    handlers::doubles::{MemoryRecords, tenant},
    links::{ApprovalLink, Links},
};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const RUN: &str = "expense-approval-1";

fn approval() -> Approval {
    Approval {
        run: RUN.into(),
        instance: "ask".into(),
        approvers: vec!["ada".parse().unwrap(), "grace".parse().unwrap()],
        title: Personal::new("Travel expenses of 412.50".into()),
        text: Personal::new("A train to Berlin.\nSecond class.".into()),
        // The clock of the stage stands at 12:00.
        deadline: "2026-11-24T13:00:00Z".parse().unwrap(),
        redrive: 0,
        token: None,
        decision: None,
    }
}

fn link(approver: &str) -> ApprovalLink {
    let Approval { run, instance, deadline, .. } = approval();
    ApprovalLink { tenant: tenant(), run, instance, approver: approver.parse().unwrap(), deadline }
}

fn path_of(links: &Links, link: &ApprovalLink) -> String {
    links.approval(link).strip_prefix("https://notify.example.org").unwrap().to_owned()
}

fn path(stage: &Stage, approver: &str) -> String {
    path_of(&stage.links, &link(approver))
}

fn run() -> NewRun {
    let (app, workflow) = ("expenses".parse().unwrap(), "expense-approval".parse().unwrap());
    NewRun { name: RUN.into(), tenant: tenant(), app, workflow, version: 1, input: json!({}) }
}

fn asking(stage: Stage, approval: &Approval) -> Stage {
    stage.workflows.runs.lock().unwrap().insert(RUN.into(), run());
    let key = approval_key(&tenant(), RUN, "ask");
    stage.world.records.put(key, serde_json::to_value(approval).unwrap());
    stage
}

fn stage() -> Stage {
    asking(Stage::new(), &approval())
}

fn stored(stage: &Stage) -> Value {
    stage.world.records.records.lock().unwrap()[&approval_key(&tenant(), RUN, "ask")].data.clone()
}

fn told(stage: &Stage) -> Vec<ApprovalDecided> {
    let events = stage.world.records.events.lock().unwrap();
    let event = |body| AnyEnvelope::decode(body).unwrap().into_event::<ApprovalDecided>().unwrap();
    events.iter().map(|outgoing| event(outgoing.body()).data).collect()
}

fn post(stage: &Stage, approver: &str, form: &str) -> (StatusCode, String) {
    let (status, headers, page) = stage.call(Method::POST, &path(stage, approver), &FORM, form.to_owned());
    is_harmless(&headers, &page);
    (status, page)
}

/// Nothing was decided.
fn is_open(stage: &Stage) {
    assert_eq!(stored(stage)["decision"], Value::Null);
    assert!(stage.world.records.events.lock().unwrap().is_empty());
}

#[test]
fn looking_at_the_question_decides_nothing() {
    let stage = stage();
    let before = stage.everything();
    for query in ["", "?decision=approved"] {
        for method in [Method::GET, Method::HEAD] {
            let (status, ..) = stage.call(method, &format!("{}{query}", path(&stage, "ada")), &[], "");
            assert_eq!(status, StatusCode::OK);
        }
    }
    let (_, headers, page) = stage.call(Method::GET, &path(&stage, "ada"), &[], "");
    is_harmless(&headers, &page);
    for part in [
        "Travel expenses of 412.50",
        "A train to Berlin.\nSecond class.",
        "<form method=\"post\">",
        "value=\"approved\">Approve</button>",
        "value=\"rejected\">Reject</button>",
        "<textarea name=\"comment\"",
        "until 2026-11-24 13:00 UTC",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(stage.everything(), before);
    is_open(&stage);
}

#[test]
fn the_first_decision_stands_and_is_told_in_the_same_commit() {
    let stage = stage();
    let (status, page) = post(&stage, "ada", "decision=rejected&comment=+No+receipt.%0D%0ASorry%E2%80%AE%00%21+");
    assert_eq!((status, page.contains("You have rejected it")), (StatusCode::OK, true), "{page}");
    let decided = json!({
        "decision": "rejected", "by": "ada", "comment": "No receipt.\nSorry!", "at": "2026-11-24T12:00:00Z",
    });
    assert_eq!(stored(&stage)["decision"], decided);
    let event = ApprovalDecided {
        run: RUN.into(),
        instance: "ask".into(),
        decision: Decision::Rejected,
        by: "ada".parse().unwrap(),
        comment: Some(Personal::new("No receipt.\nSorry!".into())),
    };
    assert_eq!(told(&stage), [event]);
    let header = |stage: &Stage| {
        let events = stage.world.records.events.lock().unwrap();
        AnyEnvelope::decode(events[0].body()).unwrap().header
    };
    assert_eq!((header(&stage).sequence, header(&stage).tenant), (Some(2), tenant()));

    let once = stage.everything();
    let (status, page) = post(&stage, "grace", "decision=approved&comment=Yes");
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("It was rejected by ada") && page.contains("yours was not taken"), "{page}");
    assert_eq!(post(&stage, "ada", "decision=approved").0, StatusCode::CONFLICT, "nor is a change of mind");
    assert_eq!(post(&stage, "ada", "decision=rejected").0, StatusCode::OK, "a second click is answered like the first");
    for approver in ["ada", "grace"] {
        let (status, _, page) = stage.call(Method::GET, &path(&stage, approver), &[], "");
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("It was rejected by") && !page.contains("<form"), "{page}");
    }
    stage.world.clock.forward(Duration::from_secs(7200));
    assert_eq!(post(&stage, "grace", "decision=approved").0, StatusCode::CONFLICT, "also when the time is over");
    assert_eq!(stage.everything(), once);
    assert_eq!(told(&stage).len(), 1);
}

#[test]
fn a_link_that_is_not_ours_leads_nowhere() {
    let stage = stage();
    let before = stage.everything();
    let others = Links::new("https://notify.example.org", &"another secret!!".into()).unwrap();
    let ours = path(&stage, "ada");
    let (text, signature) = ours.rsplit_once('.').unwrap();
    let signed = |link: ApprovalLink| path_of(&stage.links, &link);
    for (what, link) in [
        ("signed by another", path_of(&others, &link("ada"))),
        ("cut", ours[..ours.len() - 2].to_owned()),
        ("without signature", format!("{text}.")),
        ("of another's words", format!("{}.{signature}", path(&stage, "grace").rsplit_once('.').unwrap().0)),
        ("of another purpose", ours.replace("/approvals/", "/unsubscribe/")),
        ("of somebody who isn't asked", signed(link("eve"))),
        ("of another run", signed(ApprovalLink { run: "another".into(), ..link("ada") })),
        ("of another step", signed(ApprovalLink { instance: "k".into(), run: format!("{RUN}/as"), ..link("ada") })),
        ("of another tenant", signed(ApprovalLink { tenant: "globex".parse().unwrap(), ..link("ada") })),
        ("empty", "/approvals/.".into()),
        ("HTML", "/approvals/%3Cscript%3E".into()),
        ("endless", format!("/approvals/{}", "x".repeat(60_000))),
    ] {
        for method in [Method::GET, Method::POST] {
            let (status, headers, page) = stage.call(method, &link, &FORM, "decision=approved");
            assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
            is_harmless(&headers, &page);
        }
    }
    assert_eq!(stage.everything(), before);
    is_open(&stage);
}

#[test]
fn when_the_time_is_over_nobody_decides() {
    let stage = stage();
    stage.world.clock.forward(Duration::from_secs(3599));
    assert_eq!(stage.call(Method::GET, &path(&stage, "ada"), &[], "").0, StatusCode::OK);
    stage.world.clock.forward(Duration::from_secs(1));
    let (status, headers, page) = stage.call(Method::GET, &path(&stage, "ada"), &[], "");
    is_harmless(&headers, &page);
    assert_eq!((status, page.contains("<form")), (StatusCode::GONE, false), "{page}");
    assert_eq!(post(&stage, "ada", "decision=approved").0, StatusCode::GONE);
    is_open(&stage);
    // It was asked again since: what the first mail said of the time still holds for its link.
    let later = Approval { deadline: "2026-11-25T13:00:00Z".parse().unwrap(), ..approval() };
    let stage = asking(stage, &later);
    assert_eq!(post(&stage, "ada", "decision=approved").0, StatusCode::GONE);
    let new = path_of(&stage.links, &ApprovalLink { deadline: later.deadline, ..link("ada") });
    assert_eq!(stage.call(Method::POST, &new, &FORM, "decision=approved").0, StatusCode::OK);
}

#[test]
fn nobody_is_thanked_for_deciding_what_a_run_does_not_wait_for() {
    let over = |stage: &Stage, what: &str| {
        let (status, headers, page) = stage.call(Method::GET, &path(stage, "ada"), &[], "");
        is_harmless(&headers, &page);
        assert_eq!((status, page.contains("<form")), (StatusCode::GONE, false), "{what}: {page}");
        let (status, page) = post(stage, "ada", "decision=approved");
        assert_eq!(status, StatusCode::GONE, "{what}");
        assert!(page.contains("was stopped or has come to its end") && page.contains("412.50"), "{what}: {page}");
        assert!(page.contains("no effect") && !page.contains("Thank you"), "{what}: {page}");
        is_open(stage);
    };
    for status in [RunStatus::Stopped, RunStatus::Succeeded] {
        let stage = stage();
        stage.workflows.ended.lock().unwrap().insert(RUN.into(), status);
        over(&stage, &format!("{status:?}"));
    }
    let gone = stage();
    gone.workflows.runs.lock().unwrap().clear();
    over(&gone, "gone");
    let others = stage();
    let run = NewRun { tenant: "globex".parse().unwrap(), ..run() };
    others.workflows.runs.lock().unwrap().insert(RUN.into(), run);
    over(&others, "another tenant's");
}

#[test]
fn what_is_decided_of_a_run_that_failed_is_kept_for_when_it_is_taken_up_again() {
    let stage = stage();
    stage.workflows.ended.lock().unwrap().insert(RUN.into(), RunStatus::Failed);
    let (status, _, page) = stage.call(Method::GET, &path(&stage, "ada"), &[], "");
    assert_eq!((status, page.contains("<form"), page.contains("has failed")), (StatusCode::OK, true, true), "{page}");
    let (status, page) = post(&stage, "ada", "decision=approved");
    assert_eq!((status, page.contains("counts if it is taken up again")), (StatusCode::OK, true), "{page}");
    assert_eq!(stored(&stage)["decision"]["decision"], "approved");
    assert_eq!(told(&stage).len(), 1);
}

#[test]
fn what_is_asked_and_answered_can_not_become_html() {
    let hostile = "</p><script>alert(1)</script><b onclick=alert(1)>\"'&";
    let (title, text) = (Personal::new(hostile.into()), Personal::new(hostile.into()));
    let stage = asking(Stage::new(), &Approval { title, text, ..approval() });
    let (_, headers, page) = stage.call(Method::GET, &path(&stage, "ada"), &[], "");
    is_harmless(&headers, &page);
    assert_eq!(page.matches("&lt;script&gt;").count(), 2, "{page}");
    let comment = "decision=approved&comment=%3C%2Fp%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    assert_eq!(post(&stage, "ada", comment).0, StatusCode::OK);
    let (_, headers, page) = stage.call(Method::GET, &path(&stage, "grace"), &[], "");
    is_harmless(&headers, &page);
    assert!(page.contains("&lt;script&gt;"), "{page}");
    let stage = asking(Stage::new(), &Approval { title: Personal::new(hostile.into()), ..approval() });
    stage.world.clock.forward(Duration::from_secs(7200));
    post(&stage, "ada", "decision=approved");
}

#[test]
fn a_form_that_does_not_say_what_is_decided_decides_nothing() {
    let stage = stage();
    for form in
        ["", "comment=yes", "decision=", "decision=APPROVED", "decision=maybe", "[]", "{\"decision\":\"approved\"}"]
    {
        assert_eq!(post(&stage, "ada", form).0, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
    }
    let long = format!("decision=approved&comment={}", "x".repeat(2001));
    let (status, page) = post(&stage, "ada", &long);
    assert_eq!((status, page.contains("2000 characters")), (StatusCode::UNPROCESSABLE_ENTITY, true));
    for endless in [format!("decision=approved&comment={}", "x".repeat(65 * 1024)), "a=1&".repeat(10_000)] {
        let (status, ..) = stage.call(Method::POST, &path(&stage, "ada"), &FORM, endless);
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    is_open(&stage);
    let fits = format!("decision=approved&comment={}", "x".repeat(2000));
    assert_eq!(post(&stage, "ada", &fits).0, StatusCode::OK);
}

/// Records in which somebody else decides right before the first commit.
struct Race(Arc<MemoryRecords>, Mutex<Option<Approval>>);

impl Lookup for Race {
    fn get<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        self.0.get(key)
    }
}

impl Records for Race {
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        self.0.list(tenant, collection, prefix, after, limit)
    }

    fn answered<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a str,
        fingerprint: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<Answer>, CommitError>> {
        self.0.answered(tenant, key, fingerprint)
    }

    fn commit<'a>(&'a self, work: UnitOfWork) -> BoxFuture<'a, Result<Committed, CommitError>> {
        if let Some(faster) = self.1.lock().unwrap().take() {
            let key = approval_key(&tenant(), RUN, "ask");
            let data = serde_json::to_value(&faster).unwrap();
            let record = Record { key: key.clone(), version: 2, data, updated_at: work.at };
            self.0.records.lock().unwrap().insert(key, record);
        }
        self.0.commit(work)
    }
}

#[test]
fn of_two_decisions_at_once_one_stands_and_the_other_is_told_so() {
    let faster = sendoff_producers::model::Decided {
        decision: Decision::Rejected,
        by: "grace".parse().unwrap(),
        comment: None,
        at: "2026-11-24T12:00:00Z".parse().unwrap(),
    };
    let faster = Approval { decision: Some(faster), ..approval() };
    let mut records = None;
    let stage = Stage::with(|state| {
        let memory = Arc::new(MemoryRecords::default());
        memory.put(approval_key(&tenant(), RUN, "ask"), serde_json::to_value(approval()).unwrap());
        records = Some(memory.clone());
        CallbackState { records: Arc::new(Race(memory, Mutex::new(Some(faster)))), ..state }
    });
    stage.workflows.runs.lock().unwrap().insert(RUN.into(), run());
    let (status, page) = post(&stage, "ada", "decision=approved");
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("It was rejected by grace"), "{page}");
    let records = records.unwrap();
    assert_eq!(records.all()[0].1["decision"]["by"], "grace");
    assert!(records.events.lock().unwrap().is_empty());
}

#[test]
fn who_can_not_decide_now_is_not_told_that_they_have() {
    let stage = stage();
    for switch in [&stage.world.records.down, &stage.world.records.read_only, &stage.workflows.down] {
        switch.store(true, Ordering::Relaxed);
        let (status, ..) = stage.call(Method::POST, &path(&stage, "ada"), &FORM, "decision=approved");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        switch.store(false, Ordering::Relaxed);
        is_open(&stage);
    }
    assert_eq!(post(&stage, "ada", "decision=approved").0, StatusCode::OK);
}

#[test]
fn without_links_there_is_nothing_to_decide() {
    let with = stage();
    let without = Stage::with(|state| CallbackState { links: None, ..state });
    let path = path(&with, "ada");
    assert_eq!(without.call(Method::POST, &path, &FORM, "decision=approved").0, StatusCode::NOT_FOUND);
}
