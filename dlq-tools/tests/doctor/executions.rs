//! Starting failed workflow runs again, over a stub of Step Functions that checks each request: the emulator can't redrive.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use sendoff_consumers::AuditNote;
use sendoff_dlq_tools::Session;
use sendoff_dlq_tools::deployment::{Access, Backend, Deployment, Place};
use sendoff_host::Exit;
use sendoff_tests::{
    conformance::OnAws,
    servers::{Answer, Asked, Emulator, Peer, Served},
};
use serde_json::{Value, json};

use super::call::{call, variables};
use crate::calls::Ran;

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:sendoff-runs";

/// A run in the stub.
#[derive(Clone)]
struct Run {
    status: &'static str,
    stopped: u64,
    error: &'static str,
    cause: &'static str,
    redrivable: Result<(), &'static str>,
    /// What redriving it answers, if it fails.
    refuses: Option<(u16, &'static str)>,
    redrives: u32,
}

#[derive(Default)]
struct States {
    runs: Mutex<BTreeMap<String, Run>>,
    tokens: Mutex<BTreeSet<String>>,
    /// Requests that the real service would not take.
    wrong: Mutex<Vec<String>>,
}

fn arn(name: &str) -> String {
    format!("{}:{name}", MACHINE.replace("stateMachine", "execution"))
}

impl States {
    fn with(runs: &[(&str, Run)]) -> Self {
        let runs = runs.iter().map(|(name, run)| (arn(name), run.clone())).collect();
        Self { runs: Mutex::new(runs), ..Self::default() }
    }

    /// The fields of the request, none of which is unknown and none of which is missing.
    fn fields(&self, asked: &Asked, needed: &[&str], known: &[&str]) -> Value {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let given: Vec<&str> = body.as_object().into_iter().flatten().map(|(name, _)| &**name).collect();
        let unknown = given.iter().any(|name| !needed.contains(name) && !known.contains(name));
        if unknown || needed.iter().any(|name| !given.contains(name)) {
            self.wrong.lock().unwrap().push(format!("{body}"));
        }
        body
    }

    fn act(&self, asked: &Asked) -> Answer {
        let mut runs = self.runs.lock().unwrap();
        match asked.header("x-amz-target").unwrap_or_default() {
            "AWSStepFunctions.ListExecutions" => {
                let body = self.fields(asked, &["stateMachineArn", "statusFilter", "maxResults"], &["nextToken"]);
                if body["stateMachineArn"] != MACHINE {
                    return refusal(400, "StateMachineDoesNotExist");
                }
                // One a page.
                let first: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
                let fitting: Vec<_> = runs.iter().filter(|(_, run)| body["statusFilter"] == run.status).collect();
                let page = fitting.get(first).map(|(arn, run)| {
                    json!({
                        "executionArn": arn, "name": arn.rsplit(':').next(), "stateMachineArn": MACHINE,
                        "status": run.status, "startDate": run.stopped - 60, "stopDate": run.stopped,
                    })
                });
                let next = (first + 1 < fitting.len()).then(|| (first + 1).to_string());
                Answer::json(200, &json!({ "executions": page.into_iter().collect::<Vec<_>>(), "nextToken": next }))
            }
            "AWSStepFunctions.DescribeExecution" => {
                let body = self.fields(asked, &["executionArn"], &["includedData"]);
                let arn = body["executionArn"].as_str().unwrap_or_default();
                let Some(run) = runs.get(arn) else { return refusal(400, "ExecutionDoesNotExist") };
                Answer::json(
                    200,
                    &json!({
                        "executionArn": arn, "name": arn.rsplit(':').next(), "stateMachineArn": MACHINE,
                        "status": run.status, "startDate": run.stopped - 60, "stopDate": run.stopped, "input": "{}",
                        "error": run.error, "cause": run.cause, "redriveCount": run.redrives,
                        "redriveStatus": if run.redrivable.is_ok() { "REDRIVABLE" } else { "NOT_REDRIVABLE" },
                        "redriveStatusReason": run.redrivable.err(),
                    }),
                )
            }
            "AWSStepFunctions.RedriveExecution" => {
                let body = self.fields(asked, &["executionArn", "clientToken"], &[]);
                let token = body["clientToken"].as_str().unwrap_or_default().to_owned();
                let Some(run) = runs.get_mut(body["executionArn"].as_str().unwrap_or_default()) else {
                    return refusal(400, "ExecutionDoesNotExist");
                };
                if let Some((status, kind)) = run.refuses {
                    return refusal(status, kind);
                }
                if run.redrivable.is_err() {
                    return refusal(400, "ExecutionNotRedrivable");
                }
                // The same token again is the same redrive.
                if self.tokens.lock().unwrap().insert(token) {
                    (run.status, run.redrives) = ("RUNNING", run.redrives + 1);
                }
                Answer::json(200, &json!({ "redriveDate": 1_700_000_000 }))
            }
            other => {
                self.wrong.lock().unwrap().push(other.to_owned());
                refusal(400, "UnknownOperationException")
            }
        }
    }
}

impl Peer for States {
    fn subject(&self, asked: &Asked) -> String {
        asked.header("x-amz-target").unwrap_or_default().to_owned()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let signed = asked.header("authorization").is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 "));
        let typed = asked.header("content-type") == Some("application/x-amz-json-1.0");
        if asked.method != "POST" || asked.path != "/" || !signed || !typed {
            self.wrong.lock().unwrap().push(format!("{} {} {:?}", asked.method, asked.path, asked.headers));
        }
        self.act(asked)
    }

    fn failure(&self, status: u16) -> Answer {
        refusal(status, "InternalFailure")
    }
}

fn refusal(status: u16, kind: &str) -> Answer {
    Answer::json(status, &json!({ "__type": format!("com.amazonaws.swf.service.v2.model#{kind}"), "message": "no" }))
}

fn failed(stopped: u64) -> Run {
    Run {
        status: "FAILED",
        stopped,
        error: "Action.Permanent",
        cause: "step 7 for ada@example.org failed",
        redrivable: Ok(()),
        refuses: None,
        redrives: 0,
    }
}

struct Bench {
    states: Served<States>,
    aws: OnAws,
    home: tempfile::TempDir,
}

impl Bench {
    async fn with(runs: &[(&str, Run)]) -> Self {
        let (states, aws) = (Served::start(States::with(runs)).await, OnAws::open().await);
        Self { states, aws, home: tempfile::tempdir().unwrap() }
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = variables(Emulator::shared().variables(), self.aws.store().resources(), self.home.path());
        variables.insert("AWS_ENDPOINT_URL_SFN".into(), self.states.url());
        variables
    }

    async fn call(&self, arguments: &[&str]) -> Ran {
        let common = ["redrive-executions", "--machine", MACHINE, "--rate", "1000"];
        // They ended long ago, by the clock of the machine.
        let since: &[&str] = if arguments.contains(&"--since") { &[] } else { &["--since", "2023-11-01T00:00:00Z"] };
        call(self.home.path(), &self.variables(), false, &[&common, since, arguments].concat()).await
    }

    async fn audited(&self) -> Vec<AuditNote> {
        let session =
            Session { variables: self.variables(), folder: self.home.path().into(), ..Session::of_this_process() };
        let place = Place { backend: Some(Backend::Aws), ..Place::default() };
        let deployment = Deployment::open(&session, &place, Access::Look).await.unwrap();
        deployment.audit.entries(0, 100).await.unwrap().into_iter().map(|entry| entry.note).collect()
    }

    fn status(&self, name: &str) -> &'static str {
        self.states.peer().runs.lock().unwrap()[&arn(name)].status
    }

    fn assert_polite(&self) {
        assert_eq!(*self.states.peer().wrong.lock().unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_being_told_it_only_says_what_it_would_do() {
    let other = Run { error: "States.Timeout", cause: "", status: "TIMED_OUT", ..failed(1_700_000_300) };
    let bench = Bench::with(&[("r-1", failed(1_700_000_200)), ("r-2", failed(1_700_000_100)), ("r-3", other)]).await;
    let called = bench.call(&["--output", "json"]).await;
    assert_eq!(called.exit, Exit::Done, "{called:?}");
    let told = called.json();
    let names: Vec<_> =
        told["executions"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["r-2", "r-1", "r-3"], "those that can be redriven the least long come first");
    let groups: Vec<_> =
        told["groups"].as_array().unwrap().iter().map(|g| (g["count"].clone(), g["error"].clone())).collect();
    assert_eq!(groups, [(json!(2), json!("Action.Permanent")), (json!(1), json!("States.Timeout"))]);
    assert_eq!(told["executions"][0]["redrivable_until"], "2023-11-28T22:15:00Z");
    assert!(!called.out.contains("ada@example.org") && called.out.contains("<address>"), "{called:?}");
    assert!(called.err.contains("--yes"), "{called:?}");
    assert_eq!((bench.status("r-1"), bench.audited().await), ("FAILED", vec![]));
    bench.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_is_redriven_and_written_down_before_and_after() {
    let bench = Bench::with(&[("r-1", failed(1_700_000_200)), ("r-2", failed(1_700_000_100))]).await;
    let called =
        bench.call(&["--yes", "--because", "the template is mended", "--limit", "1", "--output", "ndjson"]).await;
    assert_eq!(called.exit, Exit::Done, "{called:?}");
    let line: Value = called.json();
    assert_eq!((&line["name"], &line["outcome"]), (&json!("r-2"), &json!("redriven")));
    assert_eq!((bench.status("r-2"), bench.status("r-1")), ("RUNNING", "FAILED"));
    let notes = bench.audited().await;
    let told: Vec<_> = notes.iter().map(|n| (&*n.who, &*n.action, &*n.target, &*n.because)).collect();
    let begun = format!("{MACHINE}, FAILED,TIMED_OUT since 2023-11-01T00:00:00Z, at most 1: r-2");
    let ended = format!("{MACHINE}: 1 redriven, 0 can't be, 0 failed, 0 unknown");
    let expected = [
        ("grace", "redrive-executions", &*begun, "the template is mended"),
        ("grace", "redrive-executions-ended", &*ended, ""),
    ];
    assert_eq!(told, expected);
    bench.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_redriven_is_left_and_said_and_an_answer_that_never_came_is_unknown() {
    let closed = Run { redrivable: Err("it ended more than 14 days ago"), ..failed(1_700_000_000) };
    let refused = Run { refuses: Some((400, "ExecutionLimitExceeded")), ..failed(1_700_000_300) };
    let bench = Bench::with(&[("r-1", closed.clone()), ("r-2", refused), ("r-3", failed(1_700_000_400))]).await;
    let called = bench.call(&["--yes", "--because", "mended", "--output", "json"]).await;
    assert_eq!(called.exit, Exit::Partly, "{called:?}");
    let told = called.json();
    let outcomes: Vec<_> =
        told["executions"].as_array().unwrap().iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["skipped", "failed", "redriven"]);
    assert_eq!(told["executions"][0]["why"], "it ended more than 14 days ago");
    let notes = bench.audited().await;
    assert!(notes[0].target.ends_with(": r-2 r-3"), "{notes:?}");
    assert!(notes[1].target.ends_with("1 redriven, 1 can't be, 1 failed, 0 unknown; failed: r-2"), "{notes:?}");

    let broken = Run { refuses: Some((500, "InternalFailure")), ..failed(1_700_000_400) };
    let bench = Bench::with(&[("r-1", broken)]).await;
    let called = bench.call(&["--yes", "--because", "mended"]).await;
    assert!(called.exit == Exit::InDoubt && called.out.contains("unknown"), "{called:?}");
    bench.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_stopped_is_only_redriven_when_it_is_asked_for_by_its_end() {
    let stopped = Run { status: "ABORTED", error: "", cause: "", ..failed(1_700_000_100) };
    let bench = Bench::with(&[("r-1", stopped), ("r-2", failed(1_700_000_200))]).await;
    let looked = bench.call(&[]).await;
    assert!(looked.out.contains("r-2") && looked.out.contains("can be redriven until"), "{looked:?}");
    assert!(!looked.out.contains("r-1"), "{looked:?}");
    assert_eq!(bench.call(&["--yes", "--because", "mended"]).await.exit, Exit::Done);
    assert_eq!((bench.status("r-1"), bench.status("r-2")), ("ABORTED", "RUNNING"));
    let asked = bench.call(&["--status", "aborted", "--yes", "--because", "stopped by mistake"]).await;
    assert!(asked.exit == Exit::Done && asked.err.contains("somebody stopped them"), "{asked:?}");
    assert_eq!(bench.status("r-1"), "RUNNING");
    bench.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_redriven_takes_no_place_from_what_can() {
    let closed = Run { redrivable: Err("it ended more than 14 days ago"), ..failed(1_700_000_000) };
    let bench = Bench::with(&[("r-1", closed.clone()), ("r-2", failed(1_700_000_400)), ("r-3", closed)]).await;
    let called = bench.call(&["--yes", "--because", "mended", "--limit", "1"]).await;
    assert_eq!((called.exit, bench.status("r-2")), (Exit::Done, "RUNNING"), "{called:?}");
    assert_eq!(bench.call(&["--yes", "--because", "mended", "--limit", "1"]).await.exit, Exit::NothingMatched);
    assert_eq!(bench.call(&["--yes", "--because", "mended"]).await.exit, Exit::Refused);
    let common = ["redrive-executions", "--machine", MACHINE];
    let none = call(bench.home.path(), &bench.variables(), false, &common).await;
    assert!(none.exit == Exit::NothingMatched && none.err.contains("ended that way since"), "{none:?}");
    bench.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_chosen_by_time_and_error_and_none_is_not_all() {
    let other = Run { error: "States.Timeout", cause: "too slow", ..failed(1_700_000_300) };
    let bench = Bench::with(&[("r-1", failed(1_700_000_100)), ("r-2", other)]).await;
    let names = |called: Ran| {
        let told = called.json();
        told["executions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(bench.call(&["--where-error", "Timeout", "--output", "json"]).await), ["r-2"]);
    assert_eq!(names(bench.call(&["--where-error", "ada@example", "--output", "json"]).await), ["r-1"]);
    assert_eq!(names(bench.call(&["--since", "2023-11-14T22:18:00Z", "--output", "json"]).await), ["r-2"]);
    assert_eq!(bench.call(&["--since", "1h"]).await.exit, Exit::NothingMatched);
    assert_eq!(bench.call(&["--where-error", "nothing of the kind"]).await.exit, Exit::NothingMatched);
    for wrong in [&["--since", "yesterday"][..], &["--status", "SUCCEEDED"], &["--rate", "0"], &["--yes"]] {
        assert_eq!(bench.call(wrong).await.exit, Exit::Usage, "{wrong:?}");
    }
    bench.assert_polite();
}

#[tokio::test]
async fn a_data_folder_has_none_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    sendoff_embedded::Store::open(folder.path(), sendoff_embedded::StoreOptions::default()).unwrap().shutdown().await;
    let backend = format!("sqlite:{}", folder.path().display());
    let called = call(folder.path(), &BTreeMap::new(), false, &["--backend", &backend, "redrive-executions"]).await;
    assert!(called.exit == Exit::Refused && called.err.contains("workflow-kickoff"), "{called:?}");
}
