use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use sendoff_consumers::{Count, Meter as _, Stop};
use sendoff_host::{Exit, Stopped, SystemClock, config::ConfigError};
use tower::ServiceExt as _;

use super::{
    WorkerError, handlers,
    health::Readiness,
    page::{self, Pages},
};
use crate::{CallError, Cause, ConnectionError, metrics::PrometheusMeter};

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    let environment: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let problems = handlers::settings(&environment).map_or_else(|error| error.problems, |_| Vec::new());
    problems.iter().map(|problem| problem.to_string().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn only_what_the_chosen_consumers_need_is_missing() {
    let missing = |consumers| -> Vec<String> {
        let problems = problems(&[("SENDOFF_CONSUMERS", consumers)]);
        problems.iter().filter_map(|p| Some(p.split_once(" is missing")?.0.to_owned())).collect()
    };
    let (all, kickoff) = (missing("all"), missing("workflow-kickoff"));
    assert!(["SMTP_URL", "SENDOFF_MAIL_FROM", "SENDOFF_RUNS_PREFIX"].iter().all(|name| all.iter().any(|n| n == name)));
    assert!(
        kickoff.iter().any(|n| n == "SENDOFF_RUNS_PREFIX") && !kickoff.iter().any(|n| n == "SMTP_URL"),
        "{kickoff:?}"
    );
    assert!(!missing("email").iter().any(|n| n == "SENDOFF_RUNS_PREFIX"));
    // Who names a channel wants it; of all, those run that there is a provider for.
    assert!(missing("sms,push").iter().any(|n| n == "TWILIO_SMS_FROM"));
    assert!(!all.iter().any(|n| n.starts_with("TWILIO") || n.starts_with("FCM")), "{all:?}");
}

#[test]
fn a_consumer_that_there_is_not_is_told_with_the_one_that_was_meant() {
    let found = problems(&[("SENDOFF_CONSUMERS", "emial")]);
    assert_eq!(
        found[0],
        "SENDOFF_CONSUMERS = \"emial\" there is no such consumer; there are email, sms, whatsapp, push, webhook, \
         workflow-kickoff; did you mean \
         `email`?"
    );
}

#[test]
fn exit_codes_tell_a_mistake_from_an_outage() {
    let denied = CallError {
        call: "sqs:GetQueueAttributes",
        resource: "https://sqs/q".into(),
        cause: Cause::Denied,
        code: Some("AccessDenied".into()),
        message: "no".into(),
    };
    let missing = CallError { call: "dynamodb:GetItem", cause: Cause::Missing, ..denied.clone() };
    let stopped = Stopped::from(WorkerError::Unreachable(vec![denied, missing]));
    assert_eq!(stopped.exit, Exit::Unreachable);
    let message = stopped.message.unwrap();
    assert!(message.contains("sqs:GetQueueAttributes") && message.contains("dynamodb:GetItem"), "{message}");
    let exit = |error: WorkerError| Stopped::from(error).exit;
    assert_eq!(exit(ConnectionError::NoCredentials.into()), Exit::Unreachable);
    assert_eq!(exit(ConnectionError::NoRegion.into()), Exit::Usage);
    assert_eq!(exit(ConfigError { problems: Vec::new() }.into()), Exit::Usage);
}

struct Asked {
    pages: axum::Router,
    times: Arc<AtomicUsize>,
    stopper: sendoff_consumers::Stopper,
}

fn pages(answer: Result<(), String>) -> Asked {
    let times = Arc::new(AtomicUsize::new(0));
    let counted = times.clone();
    let (stopper, stop) = Stop::pair();
    let ask = Box::new(move || -> sendoff_events::BoxFuture<'static, Result<(), String>> {
        counted.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone();
        Box::pin(async move { answer })
    });
    let readiness = Arc::new(Readiness::new(Arc::new(SystemClock), stop, ask));
    let meter = Arc::new(PrometheusMeter::new());
    meter.count(Count::Handled, "email", 1);
    Asked { pages: page::router(Pages { readiness, meter }), times, stopper }
}

async fn get(pages: &axum::Router, path: &str) -> (StatusCode, String) {
    let answer = pages.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let (status, body) = (answer.status(), to_bytes(answer.into_body(), 1 << 20).await.unwrap());
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn probes_ask_the_queues_once_in_a_while() {
    let asked = pages(Ok(()));
    for _ in 0..10 {
        assert_eq!(get(&asked.pages, "/readyz").await, (StatusCode::OK, "ok\n".into()));
    }
    assert_eq!(asked.times.load(Ordering::SeqCst), 1);
    assert_eq!(get(&asked.pages, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_worker_that_reaches_no_queue_is_alive_and_not_ready() {
    let asked = pages(Err("sqs:GetQueueAttributes on q: denied".into()));
    let (status, why) = get(&asked.pages, "/readyz").await;
    assert_eq!((status, why.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "sqs:GetQueueAttributes on q: denied\n"));
    assert_eq!(get(&asked.pages, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_worker_that_stops_is_not_ready_any_more() {
    let asked = pages(Ok(()));
    asked.stopper.stop();
    let stopping = tokio::time::timeout(Duration::from_secs(30), get(&asked.pages, "/readyz")).await.unwrap();
    assert_eq!(stopping, (StatusCode::SERVICE_UNAVAILABLE, "it is stopping\n".into()));
}

#[tokio::test]
async fn metrics_are_there_for_prometheus() {
    let (status, page) = get(&pages(Ok(())).pages, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("sendoff_handled_total{consumer=\"email\"} 1"), "{page}");
}
