use std::time::Duration;

use futures::{FutureExt, executor::block_on, future::join_all, poll};
use sendoff_events::Timestamp;
use sendoff_producers::{Lookup, Record, RecordKey};
use serde_json::json;

use super::{World, tenant, user};
use crate::{Count, cache::CacheSettings};

#[test]
fn a_record_is_looked_up_once_until_its_time_is_over() {
    let world = World::new();
    world.inner.put(&user("ada"), 1);
    assert_eq!((world.get(&user("ada")), world.get(&user("ada"))), (Some(1), Some(1)));
    world.inner.put(&user("ada"), 2);
    world.clock.forward(Duration::from_millis(29_999));
    assert_eq!((world.get(&user("ada")), world.inner.calls()), (Some(1), 1));
    world.clock.forward(Duration::from_millis(1));
    assert_eq!((world.get(&user("ada")), world.inner.calls()), (Some(2), 2));
    assert_eq!(world.counted(), [(Count::CacheHits, 2), (Count::CacheMisses, 2)]);
}

#[test]
fn that_there_is_no_record_is_remembered_for_less_long() {
    let world = World::new();
    assert_eq!((world.get(&user("ada")), world.get(&user("ada"))), (None, None));
    world.inner.put(&user("ada"), 1);
    world.clock.forward(Duration::from_millis(4_999));
    assert_eq!((world.get(&user("ada")), world.inner.calls()), (None, 1));
    world.clock.forward(Duration::from_millis(1));
    assert_eq!(world.get(&user("ada")), Some(1));
}

#[test]
fn collections_that_are_not_named_are_looked_up_each_time() {
    let world = World::new();
    let key = RecordKey::new(&tenant(), "assignments", "crm/ada");
    assert_eq!(world.get(&key), None);
    world.inner.put(&key, 1);
    assert_eq!(world.get(&key), Some(1));
    assert_eq!(world.counted(), []);
}

#[test]
fn tenants_do_not_share_their_records() {
    let world = World::new();
    world.inner.put(&user("ada"), 1);
    assert_eq!(world.get(&user("ada")), Some(1));
    assert_eq!(world.get(&RecordKey::new(&"other".parse().unwrap(), "users", "ada")), None);
}

#[test]
fn fifty_look_ups_at_once_become_one() {
    let world = World::new();
    world.inner.put(&user("ada"), 1);
    let key = user("ada");
    let found = block_on(join_all((0..50).map(|_| world.cached.get(&key))));
    assert!(found.into_iter().all(|found| found.unwrap().unwrap().version == 1));
    assert_eq!(world.inner.calls(), 1);
    assert_eq!(world.counted(), [(Count::CacheHits, 49), (Count::CacheMisses, 1)]);
    // Also when what is kept is too old.
    world.clock.forward(Duration::from_secs(60));
    block_on(join_all((0..50).map(|_| world.cached.get(&key))));
    assert_eq!(world.inner.calls(), 2);
}

#[test]
fn a_look_up_that_fails_is_not_remembered_and_those_who_waited_look_for_themselves() {
    let world = World::new();
    world.inner.put(&user("ada"), 1);
    world.inner.failures.store(1, super::Relaxed);
    let key = user("ada");
    let found = block_on(join_all((0..50).map(|_| world.cached.get(&key))));
    let failed: Vec<_> = found.iter().map(Result::is_err).collect();
    assert!(failed[0] && !failed[1..].contains(&true), "{failed:?}");
    assert_eq!(world.get(&key), Some(1));
}

#[test]
fn in_an_outage_nobody_waits_for_the_failures_of_all_the_others() {
    let world = World::new();
    world.inner.failures.store(u32::MAX, super::Relaxed);
    let key = user("ada");
    block_on(async {
        let mut all = Box::pin(join_all((0..50).map(|_| world.cached.get(&key))));
        // The first one, and then the rest side by side: each takes one step.
        let rounds = async {
            for round in 1.. {
                if poll!(&mut all).is_ready() {
                    return round;
                }
            }
            0
        };
        assert!(rounds.await < 10);
    });
}

#[test]
fn a_look_up_that_is_given_up_lets_the_others_go() {
    let world = World::new();
    world.inner.put(&user("ada"), 1);
    let key = user("ada");
    block_on(async {
        let mut first = world.cached.get(&key);
        assert!(poll!(&mut first).is_pending());
        let mut second = world.cached.get(&key);
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(second.await.unwrap().unwrap().version, 1);
    });
    assert_eq!(world.cached.get(&key).now_or_never().unwrap().unwrap().unwrap().version, 1);
}

#[test]
fn it_holds_no_more_than_its_capacity() {
    let world = World::with(CacheSettings { capacity: 100, ..CacheSettings::default() });
    for n in 0..2_000 {
        let key = user(&n.to_string());
        world.inner.put(&key, 1);
        assert_eq!(world.get(&key), Some(1));
    }
    assert!((1..=100).contains(&world.cached.memory.len()), "{}", world.cached.memory.len());
}

/// A record whose data take about so many bytes as JSON.
fn put_of_size(world: &World, id: &str, bytes: usize) {
    let data = json!({ "n": "x".repeat(bytes) });
    let record = Record { key: user(id), version: 1, data, updated_at: Timestamp::UNIX_EPOCH };
    world.inner.records.lock().unwrap().insert(user(id), record);
}

#[test]
fn it_holds_no_more_bytes_than_it_may() {
    let world = World::with(CacheSettings { max_bytes: 1 << 20, ..CacheSettings::default() });
    for n in 0..200 {
        put_of_size(&world, &n.to_string(), 16 * 1024);
        assert_eq!(world.get(&user(&n.to_string())), Some(1));
    }
    assert!((16..64).contains(&world.cached.memory.len()), "{}", world.cached.memory.len());
}

#[test]
fn a_record_that_is_too_large_is_not_kept() {
    let world = World::new();
    put_of_size(&world, "large", 64 * 1024);
    put_of_size(&world, "fits", 63 * 1024);
    for (id, calls, kept) in [("large", 3, 0), ("fits", 1, 1)] {
        let before = world.inner.calls();
        let found = [world.get(&user(id)), world.get(&user(id)), world.get(&user(id))];
        assert_eq!(found, [Some(1); 3]);
        assert_eq!((world.inner.calls() - before, world.cached.memory.len()), (calls, kept), "{id}");
    }
    // It takes the place of what was kept of it before it grew.
    put_of_size(&world, "fits", 65 * 1024);
    world.clock.forward(Duration::from_secs(30));
    assert_eq!((world.get(&user("fits")), world.cached.memory.len()), (Some(1), 0));
}
