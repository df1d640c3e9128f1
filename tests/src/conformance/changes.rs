//! Changes: the stream of what was written.

use std::{collections::BTreeMap, time::Duration};

use futures::{future::join_all, poll};
use sendoff_consumers::{Change, FAILURE_ATTRIBUTE, Failure};
use sendoff_producers::{Expected, UnitOfWork};
use serde_json::{Value, json};

use super::{
    Backend,
    given::{applied, commit, eventually, failure, key, request, soon, work, write},
};

/// The next changes of a reaction, at least one.
async fn read(backend: &dyn Backend, reaction: &str, max: usize) -> Vec<Change> {
    let changes = backend.changes();
    eventually("a change", || async {
        let read = changes.read(reaction, max, Duration::ZERO).await.expect("the stream answers");
        (!read.is_empty()).then_some(read)
    })
    .await
}

async fn assert_no_more(backend: &dyn Backend, reaction: &str) {
    let more = backend.changes().read(reaction, 100, Duration::ZERO).await.expect("the stream answers");
    assert!(more.is_empty(), "{more:?}");
}

async fn checkpoint(backend: &dyn Backend, reaction: &str, change: &Change) {
    backend.changes().checkpoint(reaction, &change.position).await.expect("the stream answers");
}

/// The whole stream, checkpointed batch by batch, until it has given `wanted` changes.
async fn walk(backend: &dyn Backend, reaction: &str, max: usize, wanted: usize) -> Vec<Change> {
    let mut all = Vec::new();
    while all.len() < wanted {
        let batch = read(backend, reaction, max).await;
        assert!(batch.len() <= max, "{} of {max}", batch.len());
        checkpoint(backend, reaction, batch.last().expect("at least one")).await;
        all.extend(batch);
    }
    all
}

async fn three_writes(backend: &dyn Backend, id: &str) {
    commit(backend, vec![write(id, Expected::Absent, json!({ "n": 1 }))]).await;
    commit(backend, vec![write(id, Expected::Version(1), json!({ "n": 2 }))]).await;
    commit(backend, vec![write(id, Expected::Version(2), None)]).await;
}

pub(super) async fn each_write_tells_who_wrote_what_over_what(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    let unit = UnitOfWork {
        actor: "service/ü".into(),
        ..work(backend, vec![write("a", Expected::Absent, json!({ "n": 3 }))])
    };
    let at = unit.at;
    applied(backend.records().commit(unit).await);
    let changes = walk(backend, "timeline", 100, 4).await;
    let told: Vec<_> = changes.iter().map(|c| (c.version, c.old.clone(), c.new.clone())).collect();
    let n = |n: u32| Some(json!({ "n": n }));
    assert_eq!(told, [(1, None, n(1)), (2, n(1), n(2)), (3, n(2), None), (4, None, n(3))]);
    assert!(changes.iter().all(|change| change.key == key("a")));
    assert_eq!((&*changes[0].actor, &*changes[3].actor, changes[3].at), ("ada", "service/ü", at));
}

pub(super) async fn null_and_nothing_are_told_apart(backend: &dyn Backend) {
    commit(backend, vec![write("a", Expected::Absent, Value::Null)]).await;
    commit(backend, vec![write("a", Expected::Version(1), None)]).await;
    let changes = walk(backend, "timeline", 100, 2).await;
    let told: Vec<_> = changes.into_iter().map(|c| (c.old, c.new)).collect();
    assert_eq!(told, [(None, Some(Value::Null)), (Some(Value::Null), None)]);
}

pub(super) async fn every_write_of_a_commit_is_a_change(backend: &dyn Backend) {
    commit(backend, ["a", "b", "c"].map(|id| write(id, Expected::Any, json!(id))).into()).await;
    let mut ids: Vec<String> =
        walk(backend, "timeline", 100, 3).await.into_iter().map(|change| change.key.id).collect();
    ids.sort();
    assert_eq!(ids, ["a", "b", "c"]);
}

pub(super) async fn what_was_refused_or_repeated_is_no_change(backend: &dyn Backend) {
    let unit = UnitOfWork {
        request: Some(request("r", 1, "{}")),
        ..work(backend, vec![write("a", Expected::Absent, json!(1))])
    };
    applied(backend.records().commit(unit.clone()).await);
    backend.records().commit(unit.clone()).await.expect("the first answer");
    let refused = UnitOfWork { request: None, ..unit };
    backend.records().commit(refused).await.expect_err("a conflict");
    assert_eq!(walk(backend, "timeline", 100, 1).await.len(), 1);
    assert_no_more(backend, "timeline").await;
}

pub(super) async fn the_changes_of_a_record_come_in_order_and_later_ones_have_greater_positions(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    three_writes(backend, "b").await;
    for max in [1, 2, 100] {
        let changes = walk(backend, &format!("timeline-{max}"), max, 6).await;
        assert!(changes.windows(2).all(|pair| pair[0].position < pair[1].position), "{changes:?}");
        for id in ["a", "b"] {
            let versions = changes.iter().filter(|change| change.key == key(id)).map(|change| change.version);
            assert_eq!(versions.collect::<Vec<_>>(), [1, 2, 3]);
        }
    }
}

pub(super) async fn positions_sort_as_they_were_given_also_past_the_tenth_and_the_hundredth(backend: &dyn Backend) {
    for n in 0..12 {
        let writes = (0..10).map(|m| write(&format!("{n}-{m}"), Expected::Absent, json!(n))).collect();
        commit(backend, writes).await;
    }
    let changes = walk(backend, "timeline", 7, 120).await;
    assert!(changes.windows(2).all(|pair| pair[0].position < pair[1].position));
}

pub(super) async fn changes_come_again_until_they_are_checkpointed(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    let first = read(backend, "timeline", 2).await;
    assert_eq!(read(backend, "timeline", 2).await, first);
    checkpoint(backend, "timeline", &first[0]).await;
    assert_eq!(read(backend, "timeline", 2).await[0].version, 2);
}

pub(super) async fn a_checkpoint_never_goes_back(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    let changes = read(backend, "timeline", 100).await;
    checkpoint(backend, "timeline", &changes[2]).await;
    checkpoint(backend, "timeline", &changes[0]).await;
    assert_no_more(backend, "timeline").await;
}

pub(super) async fn each_reaction_reads_at_its_own_pace(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    walk(backend, "fast", 100, 3).await;
    assert_no_more(backend, "fast").await;
    let slow = read(backend, "slow", 1).await;
    assert_eq!(slow[0].version, 1);
    assert_eq!(read(backend, "Fast", 1).await[0].version, 1, "names are taken as they are");
}

pub(super) async fn a_waiting_read_gets_a_change_when_it_is_written(backend: &dyn Backend) {
    let changes = backend.changes();
    let mut read = changes.read("timeline", 10, backend.tick() * 20);
    for _ in 0..5 {
        assert!(poll!(&mut read).is_pending(), "it should wait");
        // Something else that goes the same way, so that it has time to arrive.
        assert_no_more(backend, "another").await;
    }
    commit(backend, vec![write("a", Expected::Absent, json!(1))]).await;
    assert_eq!(soon("the read", read).await.expect("the stream answers")[0].key, key("a"));
}

pub(super) async fn without_a_change_a_read_ends_empty_after_its_wait(backend: &dyn Backend) {
    let changes = backend.changes();
    let mut read = changes.read("timeline", 10, backend.tick());
    assert!(poll!(&mut read).is_pending(), "it should wait");
    assert_no_more(backend, "timeline").await;
    backend.advance(backend.tick() * 2).await;
    assert_eq!(soon("the read", read).await.expect("the stream answers"), []);
}

pub(super) async fn a_parked_change_is_a_dead_letter_of_its_reaction_with_the_failure(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    let changes = read(backend, "timeline", 100).await;
    backend.changes().park("timeline", &changes[1], &failure("broken")).await.expect("parked");
    let dead = eventually("the dead letter", || async {
        let dead = backend.dead_letters("timeline").await;
        (!dead.is_empty()).then_some(dead)
    })
    .await;
    assert_eq!(dead.len(), 1);
    let told: Failure = serde_json::from_str(&dead[0].attributes[FAILURE_ATTRIBUTE]).expect("JSON");
    assert_eq!(told, failure("broken"));
    assert!(!dead[0].body.is_empty(), "it says which change it was");
    assert!(backend.dead_letters("another").await.is_empty());
    // The stream goes on: parking is not a checkpoint, and no change is lost by it.
    assert_eq!(read(backend, "timeline", 100).await.len(), 3);
}

pub(super) async fn a_change_that_is_parked_twice_is_not_lost(backend: &dyn Backend) {
    three_writes(backend, "a").await;
    let changes = read(backend, "timeline", 100).await;
    for change in [&changes[0], &changes[0], &changes[2]] {
        backend.changes().park("timeline", change, &failure("broken")).await.expect("parked");
    }
    let dead = backend.dead_letters("timeline").await;
    assert!((2..=3).contains(&dead.len()), "{dead:?}");
}

pub(super) async fn a_reader_among_concurrent_writers_misses_nothing(backend: &dyn Backend) {
    let writers = (0..8).map(|writer| {
        let (records, unit) = (backend.records(), work(backend, vec![]));
        tokio::spawn(async move {
            for n in 0..10 {
                let own = write(&writer.to_string(), Expected::Any, json!(n));
                applied(records.commit(UnitOfWork { writes: vec![own], ..unit.clone() }).await);
            }
        })
    });
    // A position must not be overtaken by one that was given before it and is committed after it.
    let (changes, written) = tokio::join!(walk(backend, "timeline", 3, 80), join_all(writers));
    for task in written {
        task.expect("no panic");
    }
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for change in changes {
        versions.entry(change.key.id).or_default().push(change.version);
    }
    assert_eq!(versions.len(), 8);
    for (id, versions) in versions {
        assert_eq!(versions, (1..=10).collect::<Vec<_>>(), "of record {id}");
    }
}
