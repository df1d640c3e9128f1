//! A worker that runs: what it answers, and how it stops.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    aws::Aws,
    process::{Running, get, worker},
};

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_probes_works_the_queues_and_ends_well_when_it_is_asked_to() {
    let aws = Aws::start(|_, _| None).await;
    let mut running = Running::start(&mut worker(&aws.url()));
    let address = running.line("worker: listening on http://").parse().unwrap();
    aws.received().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(address, path), ("HTTP/1.1 200 OK".into(), "ok\n".into()), "{path}");
    }
    let (status, page) = get(address, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(page.contains("sendoff_handled_total{consumer=\"email\"} 0\n") && page.ends_with("# EOF\n"), "{page}");
    running.signal("TERM");
    assert_eq!(running.line("worker: SIGTERM: "), "finishing what is running; once more to stop at once");
    assert_eq!(running.wait(), Some(0), "{}", running.rest());
    assert!(running.rest().ends_with("worker: stopped\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_lost_later_makes_it_unready_and_not_dead() {
    let started = Arc::new(AtomicBool::new(false));
    let lost = started.clone();
    let aws = Aws::start(move |call, body| {
        let gone = call == "GetQueueAttributes" && body.contains("sendoff-email\"") && lost.load(Ordering::SeqCst);
        gone.then(|| (403, r#"{"__type":"AccessDeniedException","message":"not any more"}"#.into()))
    })
    .await;
    let running = Running::start(&mut worker(&aws.url()));
    let address = running.line("worker: listening on http://").parse().unwrap();
    started.store(true, Ordering::SeqCst);
    let (status, why) = get(address, "/readyz");
    assert!(status.starts_with("HTTP/1.1 503 ") && why.contains("sqs:GetQueueAttributes"), "{status} {why}");
    assert!(get(address, "/healthz").0.starts_with("HTTP/1.1 200 "));
}
