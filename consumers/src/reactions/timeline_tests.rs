use std::sync::{Arc, atomic::Ordering};

use futures::executor::block_on;
use proptest::prelude::*;
use sendoff_producers::RecordKey;
use serde_json::{Value, json};

use super::Timeline;
use crate::{
    Change, HandlerError, NoMeter, Position, Reaction, ReactionContext,
    handlers::doubles::{Counting, MemoryRecords, SetClock, tenant},
};

/// A change: collection, id, version, minute, old, new.
fn change(collection: &'static str, id: &str, version: u64, minute: i64, old: bool, new: bool) -> Change {
    let image = |there: bool| there.then(|| json!({ "name": "secret", "fields": { "Amount": 12 } }));
    Change {
        position: Position(format!("{minute:04}")),
        key: RecordKey::new(&tenant(), collection, id),
        version,
        actor: "bob".into(),
        at: format!("2026-11-24T12:{minute:02}:00Z").parse().unwrap(),
        old: image(old),
        new: image(new),
    }
}

/// Everything that can happen to an app, and things that are no affair of an app's timeline.
fn story() -> Vec<Change> {
    vec![
        change("users", "ada", 1, 0, false, true),
        change("apps", "expenses", 1, 1, false, true),
        change("assignments", "expenses/ada", 1, 2, false, true),
        change("submissions", "expenses/s1", 1, 3, false, true),
        change("submissions", "expenses/s1", 2, 4, true, true),
        change("submissions", "expenses/s2", 1, 4, false, true),
        change("assignments", "expenses/ada", 2, 5, true, false),
        change("assignments", "expenses/ada", 3, 6, false, true),
        change("submissions", "expenses/s1", 3, 7, true, false),
        change("apps", "expenses", 2, 8, true, true),
        change("apps", "surveys", 1, 8, false, true),
        change("timeline", "expenses/000001795521660000-apps-expenses-1", 1, 9, false, true),
        change("assignments", "expenses/ada", 4, 10, true, true),
        change("apps", "expenses", 3, 11, true, false),
    ]
}

fn react(records: &Arc<MemoryRecords>, change: &Change) -> Result<(), HandlerError> {
    let context =
        ReactionContext { clock: SetClock::new(), rng: Arc::new(Counting::default()), meter: Arc::new(NoMeter) };
    block_on(Timeline { records: records.clone() }.react(change, &context))
}

fn timeline_of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<(String, Value)> {
    let records = Arc::new(MemoryRecords::default());
    for change in changes {
        react(&records, change).unwrap();
    }
    records.all()
}

#[test]
fn a_timeline_tells_who_did_what_when_in_order() {
    let told = timeline_of(&story());
    let actions: Vec<_> = told
        .iter()
        .filter(|(id, _)| id.starts_with("timeline/expenses/"))
        .map(|(_, data)| data["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "app created",
            "user assigned",
            "submission created",
            "submission changed",
            "submission created",
            "user unassigned",
            "user assigned",
            "submission deleted",
            "app changed",
            "assignment changed",
            "app deleted",
        ]
    );
    let (id, assigned) = &told[1];
    assert_eq!(id, "timeline/expenses/001795521720000-assignments-ada-1");
    let expected = json!({
        "at": "2026-11-24T12:02:00Z", "actor": "bob", "action": "user assigned",
        "app_id": "expenses", "user_id": "ada", "version": 1,
    });
    assert_eq!(assigned, &expected);
}

#[test]
fn contents_stay_out_of_it_and_other_collections_too() {
    let timeline = timeline_of(&story());
    assert_eq!(timeline.len(), 12);
    assert!(timeline.iter().all(|(id, data)| id.starts_with("timeline/") && !data.to_string().contains("secret")));
}

proptest! {
    #[test]
    fn whatever_is_repeated_in_whatever_order_the_timeline_is_the_same(
        repetitions in prop::collection::vec(0_usize..14, 0..40),
        order in Just((0..14).collect::<Vec<usize>>()).prop_shuffle(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let story = story();
        prop_assert_eq!(story.len(), 14);
        let mut arrivals = order;
        for (again, cut) in repetitions.into_iter().zip(cuts) {
            let place = cut.index(arrivals.len() + 1);
            arrivals.insert(place, again);
        }
        prop_assert_eq!(timeline_of(arrivals.into_iter().map(|i| &story[i])), timeline_of(&story));
    }
}

#[test]
fn an_unreachable_store_is_waited_out() {
    let records = Arc::new(MemoryRecords::default());
    records.down.store(true, Ordering::Relaxed);
    let error = react(&records, &story()[1]).unwrap_err();
    assert!(matches!(error, HandlerError::Snooze { .. }), "{error}");
}

#[test]
fn a_record_with_a_key_that_no_app_has_is_put_aside() {
    for (collection, id) in [("assignments", "expenses"), ("apps", "expenses/x")] {
        let error = react(&Arc::default(), &change(collection, id, 1, 1, false, true)).unwrap_err();
        assert!(matches!(error, HandlerError::Reject { ref reason, .. } if reason == "bad-record-key"), "{error}");
    }
}
