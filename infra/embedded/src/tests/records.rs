//! Commits: versions, request keys, changes.

use std::time::Duration;

use sendoff_consumers::{FAILURE_ATTRIBUTE, Filter};
use sendoff_events::Clock as _;
use sendoff_producers::{Answer, CommitError, Committed, Expected, RequestKey};
use serde_json::json;

use super::{Bench, failure, key, receive, tenant, write};
use crate::Retention;

fn request(key: &str, fingerprint: u8) -> RequestKey {
    let answer =
        Answer { status: 201, location: Some("/apps/crm".into()), etag: None, events: vec![], body: "{}".into() };
    RequestKey { key: key.into(), fingerprint: [fingerprint; 32], answer }
}

#[tokio::test]
async fn a_refused_commit_leaves_no_record_no_change_no_event_and_no_message() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let records = bench.store.records();
    let writes =
        vec![write("new", Expected::Absent, Some(json!({}))), write("crm", Expected::Version(3), Some(json!({})))];
    let mut work = bench.work(writes, vec![bench.event("crm", None)]);
    work.request = Some(request("k", 1));
    let error = records.commit(work).await.unwrap_err();
    assert!(matches!(error, CommitError::Conflict { found: None, .. }), "{error}");
    assert_eq!(records.get(&key("new")).await.unwrap(), None);
    assert_eq!(records.answered(&tenant(), "k", &[1; 32]).await.unwrap(), None);
    assert!(bench.store.changes().read("timeline", 10, Duration::ZERO).await.unwrap().is_empty());
    assert!(bench.store.events(0, 10).await.unwrap().is_empty());
    assert!(receive(&*queue, 10).await.is_empty());
}

#[tokio::test]
async fn a_record_that_was_deleted_and_created_anew_goes_on_counting() {
    let bench = Bench::new();
    let records = bench.store.records();
    let mut versions = Vec::new();
    for (expected, data) in [
        (Expected::Absent, Some(json!(1))),
        (Expected::Version(1), None),
        (Expected::Absent, Some(json!(2))),
        (Expected::Any, None),
    ] {
        match records.commit(bench.work(vec![write("crm", expected, data)], vec![])).await.unwrap() {
            Committed::Applied { versions: now } => versions.extend(now),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(records.get(&key("crm")).await.unwrap(), None);
    let changes = bench.store.changes().read("timeline", 10, Duration::ZERO).await.unwrap();
    let images: Vec<_> = changes.iter().map(|c| (c.version, c.old.clone(), c.new.clone())).collect();
    assert_eq!(
        images,
        [(1, None, Some(json!(1))), (2, Some(json!(1)), None), (3, None, Some(json!(2))), (4, Some(json!(2)), None),]
    );
    assert!(changes.windows(2).all(|pair| pair[0].position < pair[1].position));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_publishes_nothing() {
    let bench = Bench::new();
    let queue = bench.subscribed("email").await;
    let records = bench.store.records();
    let work = |event| {
        let mut work = bench.work(vec![write("crm", Expected::Absent, Some(json!({})))], vec![event]);
        work.request = Some(request("k", 1));
        work
    };
    records.commit(work(bench.event("crm", None))).await.unwrap();
    let again = records.commit(work(bench.event("crm", None))).await.unwrap();
    assert_eq!(again, Committed::Repeated { answer: request("k", 1).answer });
    assert_eq!(receive(&*queue, 10).await.len(), 1);
    let mut other = work(bench.event("crm", None));
    other.request = Some(request("k", 2));
    assert!(matches!(records.commit(other).await, Err(CommitError::RequestMismatch { key }) if key == "k"));
    assert!(matches!(records.answered(&tenant(), "k", &[2; 32]).await, Err(CommitError::RequestMismatch { .. })));
}

#[tokio::test]
async fn a_request_key_is_kept_for_a_day_at_least() {
    let bench = Bench::new();
    let records = bench.store.records();
    let mut work = bench.work(vec![], vec![]);
    work.request = Some(request("k", 1));
    records.commit(work).await.unwrap();
    let eager = Retention { requests: Duration::ZERO, ..Retention::default() };
    bench.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(bench.store.purge(eager).await.unwrap().requests, 0);
    assert!(records.answered(&tenant(), "k", &[1; 32]).await.unwrap().is_some());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.store.purge(eager).await.unwrap().requests, 1);
    assert!(records.answered(&tenant(), "k", &[1; 32]).await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_key_is_kept_as_long_as_the_api_says() {
    let document = sendoff_producers::api::openapi();
    let says = document["components"]["parameters"]["idempotencyKey"]["description"].as_str().unwrap();
    assert!(says.contains("for three days"), "{says}");
    let bench = Bench::new();
    let records = bench.store.records();
    let mut work = bench.work(vec![], vec![]);
    work.request = Some(request("k", 1));
    records.commit(work).await.unwrap();
    bench.clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
    assert_eq!(bench.store.purge(Retention::default()).await.unwrap().requests, 0);
    assert!(records.answered(&tenant(), "k", &[1; 32]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_listing_keeps_to_its_prefix_and_pages_by_id() {
    let bench = Bench::new();
    let records = bench.store.records();
    let ids = ["crm", "crm/", "crm/a", "crm/b", "crm/c", "crm/\u{10fffe}", "crm0", "hr/a"];
    let writes = ids.iter().map(|id| write(id, Expected::Absent, Some(json!(id)))).collect();
    records.commit(bench.work(writes, vec![])).await.unwrap();
    records.commit(bench.work(vec![write("crm/b", Expected::Any, None)], vec![])).await.unwrap();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = records.list(&tenant(), "apps", "crm/", after.as_deref(), 2).await.unwrap();
        assert!(page.records.len() <= 2);
        found.extend(page.records.into_iter().map(|record| record.key.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["crm/", "crm/a", "crm/c", "crm/\u{10fffe}"]);
    assert_eq!(records.list(&tenant(), "apps", "", None, 1000).await.unwrap().records.len(), 7);
    assert!(records.list(&tenant(), "users", "", None, 10).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn only_subscribed_queues_get_an_event_and_a_filter_takes_effect_at_once() {
    let bench = Bench::new();
    let (email, other) = (bench.subscribed("email").await, bench.subscribed("other").await);
    let publish = async || {
        bench.store.publisher().publish(&[bench.event("crm", None)]).await[0].as_ref().unwrap();
    };
    publish().await;
    bench.store.subscribe("other", &Filter::event_types(["submission.created"])).await.unwrap();
    publish().await;
    assert!(bench.store.unsubscribe("email").await.unwrap());
    assert!(!bench.store.unsubscribe("email").await.unwrap());
    publish().await;
    assert_eq!(email.depth().await.unwrap().visible, 2);
    assert_eq!(other.depth().await.unwrap().visible, 1);
}

#[tokio::test]
async fn a_reaction_is_woken_by_a_commit_and_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let (records, changes) = (bench.store.records(), bench.store.changes());
    let mut poll = changes.read("timeline", 10, Duration::from_secs(60));
    assert!(futures::poll!(&mut poll).is_pending());
    records.commit(bench.work(vec![write("a", Expected::Any, Some(json!(1)))], vec![])).await.unwrap();
    let first = poll.await.unwrap();
    records.commit(bench.work(vec![write("b", Expected::Any, Some(json!(1)))], vec![])).await.unwrap();
    let both = changes.read("timeline", 10, Duration::ZERO).await.unwrap();
    assert_eq!(both.len(), 2, "without a checkpoint everything comes again");
    changes.checkpoint("timeline", &both[1].position).await.unwrap();
    changes.checkpoint("timeline", &first[0].position).await.unwrap();
    assert!(changes.read("timeline", 10, Duration::ZERO).await.unwrap().is_empty(), "it never goes back");
    assert_eq!(changes.read("audit", 10, Duration::ZERO).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_that_is_parked_twice_is_one_dead_letter() {
    let bench = Bench::new();
    let changes = bench.store.changes();
    let writes = vec![write("crm", Expected::Any, Some(json!({"name": "CRM"})))];
    bench.store.records().commit(bench.work(writes, vec![])).await.unwrap();
    let change = changes.read("timeline", 1, Duration::ZERO).await.unwrap().remove(0);
    for reason in ["bad-data", "worse-data"] {
        changes.park("timeline", &change, &failure(reason)).await.unwrap();
    }
    let letters = bench.letters("timeline-dlq").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attributes[FAILURE_ATTRIBUTE], failure("worse-data").to_attribute());
    let body: serde_json::Value = serde_json::from_slice(&letters[0].body).unwrap();
    assert_eq!(body["id"], "crm");
    assert_eq!(body["new"], json!({"name": "CRM"}));
    assert_eq!(body["at"], json!(bench.clock.now()));
}
