use std::{sync::Arc, time::Duration};

use futures::executor::block_on;
use sendoff_events::Timestamp;
use sendoff_producers::RecordKey;
use serde_json::json;

use super::{Relaxed, State, World, user};
use crate::{
    Change, Count, NoMeter, Position, Reaction, ReactionContext,
    cache::{CacheSettings, Image},
    handlers::doubles::{Counting, tenant},
    reactions::CacheInvalidation,
};

fn change(key: &RecordKey, version: u64, deleted: bool) -> Change {
    Change {
        position: Position("1".into()),
        key: key.clone(),
        version,
        actor: "bob".into(),
        at: Timestamp::UNIX_EPOCH,
        old: None,
        new: (!deleted).then(|| json!({ "n": version })),
    }
}

fn react(world: &World, change: &Change) {
    let clock = Arc::new(world.clock.clone());
    let reaction = CacheInvalidation::new(world.server.clone(), &CacheSettings::default(), clock.clone());
    let context = ReactionContext { clock, rng: Arc::new(Counting::default()), meter: Arc::new(NoMeter) };
    block_on(reaction.react(change, &context)).unwrap();
}

#[test]
fn what_one_process_found_another_need_not_look_up() {
    let (first, second) = (World::shared(), World::new());
    first.inner.put(&user("ada"), 3);
    assert_eq!(first.get(&user("ada")), Some(3));
    let second = World { cached: second.cached.with_shared(first.server.clone()), ..second };
    assert_eq!((second.get(&user("ada")), second.get(&user("ada"))), (Some(3), Some(3)));
    assert_eq!(second.inner.calls(), 0);
    assert_eq!(second.counted(), [(Count::CacheHits, 1), (Count::SharedCacheHits, 1)]);
}

#[test]
fn a_change_replaces_what_is_kept_and_a_deletion_leaves_its_trace() {
    let world = World::shared();
    world.inner.put(&user("ada"), 1);
    assert_eq!(world.get(&user("ada")), Some(1));
    react(&world, &change(&user("ada"), 2, false));
    world.clock.forward(Duration::from_secs(30));
    assert_eq!(world.get(&user("ada")), Some(2));
    react(&world, &change(&user("ada"), 3, true));
    world.clock.forward(Duration::from_secs(30));
    assert_eq!((world.get(&user("ada")), world.inner.calls()), (None, 1));
    assert_eq!(world.server.kept(&user("ada")).unwrap().version, 3);
}

#[test]
fn a_repeated_and_a_late_change_put_nothing_back() {
    let world = World::shared();
    for version in [2, 2, 1] {
        react(&world, &change(&user("ada"), version, false));
    }
    assert_eq!(world.get(&user("ada")), Some(2));
}

#[test]
fn changes_of_other_collections_stay_out() {
    let world = World::shared();
    let key = RecordKey::new(&tenant(), "submissions", "crm/1");
    react(&world, &change(&key, 1, false));
    assert_eq!((world.server.kept(&key), world.server.calls.load(Relaxed)), (None, 0));
}

#[test]
fn that_there_is_no_record_is_not_shared() {
    let world = World::shared();
    assert_eq!(world.get(&user("ada")), None);
    assert_eq!(world.server.kept(&user("ada")), None);
}

#[test]
fn a_dead_cache_fails_no_look_up_and_is_left_alone_for_a_while() {
    for state in [State::Down, State::Silent] {
        let world = World::shared();
        world.server.turn(state);
        let begun = *world.clock.0.lock().unwrap();
        for n in 0..20 {
            world.inner.put(&user(&n.to_string()), 1);
            assert_eq!(world.get(&user(&n.to_string())), Some(1));
        }
        assert_eq!(world.server.calls.load(Relaxed), 3, "the breaker opens after three failures");
        let lost = world.clock.0.lock().unwrap().duration_since(begun);
        assert!(Duration::try_from(lost).unwrap() <= Duration::from_millis(300), "{lost}");
        // One tries now and then.
        world.clock.forward(Duration::from_secs(5));
        for n in 20..30 {
            assert_eq!(world.get(&user(&n.to_string())), None);
        }
        assert_eq!(world.server.calls.load(Relaxed), 4);
        // Once it answers, it is used again.
        world.server.turn(State::Up);
        world.clock.forward(Duration::from_secs(5));
        for n in 0..20 {
            world.inner.put(&user(&format!("new-{n}")), 1);
            assert_eq!(world.get(&user(&format!("new-{n}"))), Some(1));
        }
        assert_eq!(world.server.calls.load(Relaxed), 4 + 40);
    }
}

#[test]
fn a_change_that_does_not_reach_a_dead_cache_does_not_hold_up_the_stream() {
    let world = World::shared();
    world.server.turn(State::Silent);
    react(&world, &change(&user("ada"), 1, false));
    assert_eq!(world.server.kept(&user("ada")), None);
}

#[test]
fn data_that_is_null_is_a_record() {
    let world = World::shared();
    let image = Image::after(&Change { new: Some(serde_json::Value::Null), ..change(&user("ada"), 1, false) });
    world.server.kept.lock().unwrap().insert(user("ada"), image);
    assert_eq!(world.get(&user("ada")), Some(1));
}
