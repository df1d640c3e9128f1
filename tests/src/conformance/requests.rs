//! Records: request keys.

use futures::future::join_all;
use sendoff_producers::{Answer, CommitError, Committed, Expected, RequestKey, UnitOfWork};
use serde_json::json;

use super::{
    Backend,
    given::{acme, applied, commit, event_id, key, request, tenant, work, write},
};

fn asked(backend: &dyn Backend, request: RequestKey, n: u64) -> UnitOfWork {
    UnitOfWork { request: Some(request), ..work(backend, vec![write("a", Expected::Any, json!(n))]) }
}

async fn version(backend: &dyn Backend) -> Option<u64> {
    backend.records().get(&key("a")).await.expect("readable").map(|record| record.version)
}

pub(super) async fn a_repeated_request_gets_the_first_answer_and_writes_nothing(backend: &dyn Backend) {
    let records = backend.records();
    applied(records.commit(asked(backend, request("r", 1, "first"), 1)).await);
    commit(backend, vec![write("a", Expected::Version(1), json!("since"))]).await;
    let repeated = records.commit(asked(backend, request("r", 1, "second"), 2)).await.expect("no error");
    assert_eq!(repeated, Committed::Repeated { answer: request("r", 1, "first").answer });
    assert_eq!(version(backend).await, Some(2));
}

pub(super) async fn a_repetition_is_seen_before_any_version_is_looked_at(backend: &dyn Backend) {
    let unit = UnitOfWork {
        request: Some(request("r", 1, "created")),
        ..work(backend, vec![write("a", Expected::Absent, json!(1))])
    };
    applied(backend.records().commit(unit.clone()).await);
    let repeated = backend.records().commit(unit).await.expect("no conflict");
    assert_eq!(repeated, Committed::Repeated { answer: request("r", 1, "created").answer });
}

pub(super) async fn the_whole_answer_is_kept(backend: &dyn Backend) {
    let full = Answer {
        status: 202,
        location: Some("/v1/things/ü?x=1".into()),
        etag: Some("\"7\"".into()),
        events: vec![event_id(backend), event_id(backend)],
        body: "{\"text\":\"漢字 \\u0000 'quoted'\"}".into(),
    };
    let bare = Answer { status: 500, location: None, etag: None, events: vec![], body: String::new() };
    for (key, answer) in [("full", full), ("bare", bare)] {
        let request = RequestKey { key: key.into(), fingerprint: [0xff; 32], answer: answer.clone() };
        applied(backend.records().commit(asked(backend, request, 1)).await);
        let kept = backend.records().answered(&acme(), key, &[0xff; 32]).await.expect("readable");
        assert_eq!(kept, Some(answer));
    }
}

pub(super) async fn a_request_that_was_never_committed_has_no_answer(backend: &dyn Backend) {
    assert_eq!(backend.records().answered(&acme(), "r", &[1; 32]).await.expect("readable"), None);
}

pub(super) async fn the_same_key_for_another_request_is_refused(backend: &dyn Backend) {
    let records = backend.records();
    applied(records.commit(asked(backend, request("r", 1, "first"), 1)).await);
    let mismatch = |result: Result<(), CommitError>| match result {
        Err(CommitError::RequestMismatch { key }) => assert_eq!(key, "r"),
        other => panic!("it should have been a mismatch: {other:?}"),
    };
    mismatch(records.commit(asked(backend, request("r", 2, "second"), 2)).await.map(drop));
    mismatch(records.answered(&acme(), "r", &[2; 32]).await.map(drop));
    assert_eq!(version(backend).await, Some(1));
    assert!(records.answered(&acme(), "r", &[1; 32]).await.expect("readable").is_some());
}

pub(super) async fn request_keys_belong_to_their_tenant(backend: &dyn Backend) {
    applied(backend.records().commit(asked(backend, request("r", 1, "mine"), 1)).await);
    let other = tenant("other");
    assert_eq!(backend.records().answered(&other, "r", &[2; 32]).await.expect("readable"), None);
    let theirs =
        UnitOfWork { tenant: other.clone(), request: Some(request("r", 2, "theirs")), ..work(backend, vec![]) };
    applied(backend.records().commit(theirs).await);
    let kept = backend.records().answered(&other, "r", &[2; 32]).await.expect("readable").expect("there");
    assert_eq!(kept.body, "theirs");
}

pub(super) async fn a_request_key_may_hold_any_text(backend: &dyn Backend) {
    let keys = ["R", "r", "ü/漢 '\"%_\\", "", &"k".repeat(255)];
    for (n, key) in keys.iter().enumerate() {
        applied(backend.records().commit(asked(backend, request(key, 1, &n.to_string()), 1)).await);
    }
    for (n, key) in keys.iter().enumerate() {
        let kept = backend.records().answered(&acme(), key, &[1; 32]).await.expect("readable").expect("there");
        assert_eq!(kept.body, n.to_string(), "{key:?}");
    }
}

pub(super) async fn of_concurrent_duplicates_of_a_request_exactly_one_is_applied(backend: &dyn Backend) {
    let duplicates = (0..20).map(|n| {
        let (records, unit) = (backend.records(), asked(backend, request("r", 1, &n.to_string()), n));
        tokio::spawn(async move { records.commit(unit).await.expect("no error") })
    });
    let ended: Vec<Committed> = join_all(duplicates).await.into_iter().map(|task| task.expect("no panic")).collect();
    let winners: Vec<usize> = (0..20).filter(|&n| matches!(ended[n], Committed::Applied { .. })).collect();
    assert_eq!(winners.len(), 1, "{ended:?}");
    let first = request("r", 1, &winners[0].to_string()).answer;
    for other in ended.iter().filter(|committed| !matches!(committed, Committed::Applied { .. })) {
        assert_eq!(*other, Committed::Repeated { answer: first.clone() });
    }
    let record = backend.records().get(&key("a")).await.expect("readable").expect("there");
    assert_eq!((record.version, record.data), (1, json!(winners[0])));
}
