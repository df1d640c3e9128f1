//! Records: versions, conflicts, and all or nothing.

use futures::future::join_all;
use sendoff_producers::{CommitError, Committed, Expected, RecordKey, UnitOfWork, Write};
use serde_json::{Value, json};

use super::{
    Backend,
    given::{acme, applied, commit, event, event_of, key, request, tenant, work, write},
};

async fn data_of(backend: &dyn Backend, id: &str) -> Option<(u64, Value)> {
    let record = backend.records().get(&key(id)).await.expect("readable")?;
    Some((record.version, record.data))
}

#[track_caller]
fn conflict(result: Result<Committed, CommitError>) -> (RecordKey, Expected, Option<u64>) {
    match result {
        Err(CommitError::Conflict { key, expected, found }) => (key, expected, found),
        other => panic!("it should have been a conflict: {other:?}"),
    }
}

pub(super) async fn a_new_record_reads_back_as_it_was_written(backend: &dyn Backend) {
    let unit = work(backend, vec![write("a", Expected::Absent, json!({ "n": 1 }))]);
    let at = unit.at;
    assert_eq!(applied(backend.records().commit(unit).await), [1]);
    let record = backend.records().get(&key("a")).await.expect("readable").expect("there");
    assert_eq!((record.key, record.version, record.data), (key("a"), 1, json!({ "n": 1 })));
    assert_eq!(record.updated_at, at);
}

pub(super) async fn what_was_never_written_is_not_there(backend: &dyn Backend) {
    assert_eq!(data_of(backend, "a").await, None);
}

pub(super) async fn many_are_read_at_once_each_in_its_place(backend: &dyn Backend) {
    for first in [0, 50, 100] {
        let writes = (first..first + 50).map(|n| write(&format!("a/{n}"), Expected::Absent, json!(n)));
        commit(backend, writes.collect()).await;
    }
    commit(backend, vec![write("a/7", Expected::Any, None::<Value>)]).await;
    // Backwards, with one that is there twice, one that was deleted, and one that never was.
    let ids = (0..150).rev().chain([3, 7, 150]);
    let keys: Vec<RecordKey> = ids.clone().map(|n| key(&format!("a/{n}"))).collect();
    let found = backend.records().get_all(&keys).await.expect("readable");
    let found: Vec<_> = found.into_iter().map(|record| record.map(|record| (record.key, record.data))).collect();
    let is_there = |n: &i32| ![7, 150].contains(n);
    let expected = ids.zip(keys).map(|(n, key)| is_there(&n).then(|| (key, json!(n))));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert!(backend.records().get_all(&[]).await.expect("readable").is_empty());
}

pub(super) async fn each_write_counts_the_version_up_by_one(backend: &dyn Backend) {
    for version in 0..5 {
        let expected = if version == 0 { Expected::Absent } else { Expected::Version(version) };
        assert_eq!(commit(backend, vec![write("a", expected, json!(version))]).await, [version + 1]);
    }
    assert_eq!(data_of(backend, "a").await, Some((5, json!(4))));
}

pub(super) async fn the_versions_of_a_commit_stand_in_the_order_of_its_writes(backend: &dyn Backend) {
    commit(backend, vec![write("b", Expected::Any, json!(0))]).await;
    commit(backend, vec![write("b", Expected::Any, json!(1))]).await;
    let writes = ["c", "b", "a"].map(|id| write(id, Expected::Any, json!(id))).to_vec();
    assert_eq!(commit(backend, writes).await, [1, 3, 1]);
}

pub(super) async fn a_wrong_version_is_a_conflict_that_tells_what_stands_there(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, json!(1))]).await;
    for wrong in [0, 2, u64::MAX >> 1] {
        let unit = work(backend, vec![write("a", Expected::Version(wrong), json!("lost"))]);
        let told = conflict(backend.records().commit(unit).await);
        assert_eq!(told, (key("a"), Expected::Version(wrong), Some(1)));
    }
    assert_eq!(data_of(backend, "a").await, Some((1, json!(1))));
}

pub(super) async fn absent_refuses_a_record_that_is_there(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, json!(1))]).await;
    let unit = work(backend, vec![write("a", Expected::Absent, json!(2))]);
    assert_eq!(conflict(backend.records().commit(unit).await), (key("a"), Expected::Absent, Some(1)));
}

pub(super) async fn a_version_cannot_be_expected_of_what_is_not_there(backend: &dyn Backend) {
    let unit = work(backend, vec![write("a", Expected::Version(1), json!(2))]);
    assert_eq!(conflict(backend.records().commit(unit).await), (key("a"), Expected::Version(1), None));
    assert_eq!(data_of(backend, "a").await, None);
}

pub(super) async fn any_writes_over_whatever_stands_there(backend: &dyn Backend) {
    assert_eq!(commit(backend, vec![write("a", Expected::Any, json!(1))]).await, [1]);
    assert_eq!(commit(backend, vec![write("a", Expected::Any, json!(2))]).await, [2]);
    assert_eq!(data_of(backend, "a").await, Some((2, json!(2))));
}

pub(super) async fn a_conflict_leaves_nothing_half_done(backend: &dyn Backend) {
    commit(backend, vec![write("b", Expected::Absent, json!("before"))]).await;
    let mut unit = work(
        backend,
        vec![
            write("a", Expected::Absent, json!("half")),
            write("b", Expected::Version(7), json!("half")),
            write("c", Expected::Any, json!("half")),
        ],
    );
    unit.request = Some(request("r", 1, "never"));
    conflict(backend.records().commit(unit.clone()).await);
    assert_eq!(data_of(backend, "a").await, None);
    assert_eq!(data_of(backend, "b").await, Some((1, json!("before"))));
    assert_eq!(data_of(backend, "c").await, None);
    assert_eq!(backend.records().answered(&acme(), "r", &[1; 32]).await.expect("readable"), None);
    // The request key is still free: the same request succeeds once the conflict is solved.
    unit.writes[1].expected = Expected::Version(1);
    assert_eq!(applied(backend.records().commit(unit).await), [1, 2, 1]);
}

pub(super) async fn a_deleted_record_is_gone_and_goes_on_counting_when_created_anew(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, json!(1))]).await;
    assert_eq!(commit(backend, vec![write("a", Expected::Version(1), None)]).await, [2]);
    assert_eq!(data_of(backend, "a").await, None);
    let unit = work(backend, vec![write("a", Expected::Version(2), json!(2))]);
    assert_eq!(conflict(backend.records().commit(unit).await).2, None);
    assert_eq!(commit(backend, vec![write("a", Expected::Absent, json!(3))]).await, [3]);
    assert_eq!(data_of(backend, "a").await, Some((3, json!(3))));
}

pub(super) async fn deleting_what_is_not_there_is_no_error(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Any, None), write("b", Expected::Absent, None)]).await;
    assert_eq!(data_of(backend, "a").await, None);
    assert_eq!(data_of(backend, "b").await, None);
    commit(backend, vec![write("a", Expected::Absent, json!(1)), write("b", Expected::Absent, json!(1))]).await;
}

pub(super) async fn null_is_a_value_and_not_a_deletion(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, Value::Null)]).await;
    assert_eq!(data_of(backend, "a").await, Some((1, Value::Null)));
    let unit = work(backend, vec![write("a", Expected::Absent, json!(1))]);
    assert_eq!(conflict(backend.records().commit(unit).await).2, Some(1));
}

pub(super) async fn text_of_any_language_and_every_number_comes_back_as_it_was(backend: &dyn Backend) {
    let data = json!({
        "": "an empty name", "🦀 \" ' \\ \u{0} \u{7f} \u{2028}": ["\u{0}", "漢字", "é", "e\u{301}", "\r\n\t", ""],
        "numbers": [u64::MAX, i64::MIN, 0.1, -1.5e-7, 9_007_199_254_740_993_u64, true, null], "nested": [[[[{}]]]],
    });
    let id = "Größe/漢字/🦀/a'b\"c;--";
    commit(backend, vec![write(id, Expected::Absent, data.clone())]).await;
    assert_eq!(data_of(backend, id).await, Some((1, data)));
}

pub(super) async fn ids_that_look_alike_are_different_records(backend: &dyn Backend) {
    let ids = ["a", "A", "a ", "é", "e\u{301}", "a/b", "a/b/", "a%", "a_", "1", "01", "1.0"];
    let writes = ids.iter().map(|id| write(id, Expected::Absent, json!(id))).collect();
    commit(backend, writes).await;
    for id in ids {
        assert_eq!(data_of(backend, id).await, Some((1, json!(id))));
    }
}

pub(super) async fn a_large_record_comes_back_whole(backend: &dyn Backend) {
    // DynamoDB takes items of up to 400 KB.
    let data = json!({ "text": "ä".repeat(150_000) });
    commit(backend, vec![write("a", Expected::Absent, data.clone())]).await;
    assert_eq!(data_of(backend, "a").await, Some((1, data)));
}

pub(super) async fn tenants_and_collections_do_not_share_records(backend: &dyn Backend) {
    let other = RecordKey::new(&tenant("other"), "things", "a");
    let aside = RecordKey::new(&acme(), "others", "a");
    commit(backend, vec![write("a", Expected::Absent, json!("mine"))]).await;
    let of_other = Write { key: other.clone(), expected: Expected::Absent, data: Some(json!("theirs")) };
    let unit = UnitOfWork { tenant: tenant("other"), ..work(backend, vec![of_other]) };
    assert_eq!(applied(backend.records().commit(unit).await), [1]);
    let beside = Write { key: aside.clone(), expected: Expected::Absent, data: Some(json!("aside")) };
    assert_eq!(commit(backend, vec![beside]).await, [1]);
    for (key, data) in [(key("a"), "mine"), (other, "theirs"), (aside, "aside")] {
        assert_eq!(backend.records().get(&key).await.expect("readable").expect("there").data, json!(data));
    }
}

pub(super) async fn of_many_who_write_over_one_version_exactly_one_wins(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, json!("first"))]).await;
    let contenders = (0..20).map(|n| {
        let (records, unit) = (backend.records(), work(backend, vec![write("a", Expected::Version(1), json!(n))]));
        tokio::spawn(async move { records.commit(unit).await })
    });
    let ended = join_all(contenders).await.into_iter().map(|task| task.expect("no panic"));
    let (won, lost): (Vec<_>, Vec<_>) = ended.enumerate().partition(|(_, result)| result.is_ok());
    assert_eq!(won.len(), 1, "{won:?}");
    for (_, result) in lost {
        assert_eq!(conflict(result), (key("a"), Expected::Version(1), Some(2)));
    }
    assert_eq!(data_of(backend, "a").await, Some((2, json!(won[0].0))));
}

pub(super) async fn no_increment_is_lost_among_concurrent_writers(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, json!(0))]).await;
    let writers = (0..8).map(|_| {
        let (records, unit) = (backend.records(), work(backend, vec![]));
        tokio::spawn(async move {
            for _ in 0..5 {
                loop {
                    let record = records.get(&key("a")).await.expect("readable").expect("there");
                    let next = record.data.as_u64().expect("a number") + 1;
                    let write = write("a", Expected::Version(record.version), json!(next));
                    match records.commit(UnitOfWork { writes: vec![write], ..unit.clone() }).await {
                        Ok(_) => break,
                        Err(CommitError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("no panic");
    }
    assert_eq!(data_of(backend, "a").await, Some((41, json!(40))));
}

pub(super) async fn a_unit_without_writes_is_applied(backend: &dyn Backend) {
    assert_eq!(commit(backend, vec![]).await, Vec::<u64>::new());
    let unit = UnitOfWork { events: vec![event(backend)], ..work(backend, vec![]) };
    assert_eq!(applied(backend.records().commit(unit).await), Vec::<u64>::new());
}

pub(super) async fn ninety_nine_writes_and_events_fit_into_one_unit_with_its_request_key(backend: &dyn Backend) {
    let writes = (0..90).map(|n| write(&format!("{n:03}"), Expected::Absent, json!(n))).collect();
    let mut unit = work(backend, writes);
    unit.events = (0..9).map(|_| event(backend)).collect();
    unit.request = Some(request("r", 1, "{}"));
    assert_eq!(applied(backend.records().commit(unit).await), [1; 90]);
    assert_eq!(data_of(backend, "089").await, Some((1, json!(89))));
}

async fn refused(backend: &dyn Backend, unit: UnitOfWork) {
    let result = backend.records().commit(unit).await;
    assert!(matches!(result, Err(CommitError::Invalid(_))), "it should have been refused: {result:?}");
    assert_eq!(data_of(backend, "a").await, None);
}

pub(super) async fn a_hundred_writes_and_events_are_refused(backend: &dyn Backend) {
    let mut writes: Vec<_> = (0..99).map(|n| write(&format!("{n:03}"), Expected::Absent, json!(n))).collect();
    writes[0] = write("a", Expected::Absent, json!("half"));
    refused(backend, UnitOfWork { events: vec![event(backend)], ..work(backend, writes) }).await;
    assert_eq!(data_of(backend, "001").await, None);
}

pub(super) async fn another_tenants_record_or_event_is_refused(backend: &dyn Backend) {
    let mine = write("a", Expected::Absent, json!("half"));
    let theirs =
        Write { key: RecordKey::new(&tenant("other"), "things", "x"), expected: Expected::Any, data: Some(json!(1)) };
    refused(backend, work(backend, vec![mine.clone(), theirs])).await;
    let events = vec![event_of(backend, &tenant("other"), "grace")];
    refused(backend, UnitOfWork { events, ..work(backend, vec![mine]) }).await;
}

pub(super) async fn an_event_whose_body_is_not_what_its_attributes_say_is_refused(backend: &dyn Backend) {
    let (own, theirs) = (event(backend), event_of(backend, &tenant("other"), "grace"));
    let other = event(backend);
    for body in ["not json".into(), "{}".into(), theirs.into_body(), other.into_body()] {
        let events = vec![own.clone().with_body(body)];
        refused(backend, UnitOfWork { events, ..work(backend, vec![write("a", Expected::Absent, json!(1))]) }).await;
    }
}

pub(super) async fn writes_that_no_event_tells_of_are_refused_unless_it_is_said(backend: &dyn Backend) {
    let unit = work(backend, vec![write("a", Expected::Absent, json!(1))]);
    refused(backend, UnitOfWork { may_be_silent: false, ..unit.clone() }).await;
    let told = UnitOfWork { may_be_silent: false, events: vec![event(backend)], ..unit };
    assert_eq!(applied(backend.records().commit(told).await), [1]);
}

pub(super) async fn a_record_that_is_written_twice_is_refused(backend: &dyn Backend) {
    let twice = vec![write("a", Expected::Absent, json!(1)), write("a", Expected::Any, json!(2))];
    refused(backend, work(backend, twice)).await;
}
