//! What each target promises, whatever is behind it. Its consumers must be running.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sendoff_events::EventId;
use sendoff_load::{
    RunId,
    target::{Fate, Parcel, Target, Via},
};

use super::given::{assigned, assigned_type, eventually, pairs, people, poison, request, run, settled, wanting};

/// A target, and what a test does for it.
pub(super) struct Rig<'a> {
    pub(super) target: &'a dyn Target,
    /// Lets so much time pass that the target believes an empty queue to be empty.
    pub(super) pass: &'a (dyn Fn() + Sync),
    /// Where the list of what was accepted has to stand, if the target needs it.
    pub(super) runs: Option<&'a Path>,
}

impl<'a> Rig<'a> {
    pub(super) fn of(target: &'a dyn Target) -> Self {
        Self { target, pass: &|| (), runs: None }
    }

    /// Waits until all of them have this fate.
    async fn all_are(&self, pairs: &[(EventId, String)], fate: Fate) {
        eventually(true, async || {
            let are = self.target.look(pairs).await.unwrap().iter().all(|seen| seen.fate == fate);
            (self.pass)();
            are
        })
        .await;
    }

    /// Writes down what was accepted, as the generator does.
    pub(super) fn write_down(&self, run: &RunId, events: &[EventId]) {
        let Some(runs) = self.runs else { return };
        let folder = runs.join(run.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        let lines =
            events.iter().enumerate().map(|(number, event)| format!("{{\"number\":{number},\"event\":\"{event}\"}}\n"));
        std::fs::write(folder.join("events.ndjson"), lines.collect::<String>()).unwrap();
    }
}

/// The events of parcels that were all accepted.
async fn sent(target: &dyn Target, via: Via, parcels: &[Parcel]) -> Vec<EventId> {
    let results = target.send(via, parcels).await;
    assert_eq!(results.len(), parcels.len());
    results.into_iter().flat_map(|result| result.unwrap_or_else(|e| panic!("{via:?}: {e}")).events).collect()
}

/// Every way leads to every consumer once, the ledger tells of it, and every event is found by its number.
pub(super) async fn every_way_is_accounted_for(rig: &Rig<'_>, name: &str, ways: &[Via]) {
    let target = rig.target;
    let run = run(name);
    target.prepare(&run, &people(&run, 4)).await.unwrap();
    target.prepare(&run, &people(&run, 4)).await.unwrap();
    let subscribers = target.subscribers().await.unwrap();
    let mut number = 0;
    for via in ways {
        let mut parcels: Vec<Parcel> = Vec::new();
        for _ in 0..12 {
            parcels.push(if *via == Via::Api { request(&run, number) } else { Parcel::Event(assigned(&run, number)) });
            number += 1;
        }
        let first = number - 12;
        let events = sent(target, *via, &parcels).await;
        assert_eq!(events.iter().collect::<BTreeSet<_>>().len(), 12, "{via:?}");
        if let Parcel::Event(event) = &parcels[0] {
            assert_eq!(sent(target, *via, &[Parcel::Again(event.clone())]).await, [event.id()], "{via:?}");
        } else {
            assert_eq!(sent(target, *via, &parcels[..1]).await, events[..1], "a repeated request makes nothing new");
        }
        let event_type = if *via == Via::Api { "submission.created.v2".to_owned() } else { assigned_type() };
        let consumers = wanting(&subscribers, &event_type);
        assert!(consumers.len() > 2, "{consumers:?}");
        for seen in settled(target, &pairs(&events, &consumers)).await {
            assert_eq!((seen.fate, seen.attempts), (Fate::Done, 1), "{via:?} {seen:?}");
            assert!(seen.claimed_at.is_some() && seen.claimed_at <= seen.updated_at, "{seen:?}");
        }
        let numbers: Vec<u64> = (first..number).chain([1_000_000]).collect();
        if let Some(found) = target.find(&run, &numbers).await.unwrap() {
            let expected: BTreeMap<u64, EventId> = (first..number).zip(events.iter().copied()).collect();
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected, "{via:?}");
        }
    }
}

/// What can't be decoded is counted among the dead letters of each consumer, and what was never sent is missing.
pub(super) async fn poison_is_counted_and_what_never_was_is_missing(rig: &Rig<'_>, name: &str) {
    let target = rig.target;
    let (run, other) = (run(name), run(&format!("{name}-1")));
    let subscribers = target.subscribers().await.unwrap();
    let consumers = wanting(&subscribers, &assigned_type());
    assert!(sent(target, Via::Queue, &[poison(&run, 0), poison(&run, 1), poison(&other, 2)]).await.is_empty());
    let expected = |count: u64| consumers.iter().map(|consumer| (consumer.clone(), count)).collect::<BTreeMap<_, _>>();
    for (run, count) in [(&run, 2), (&other, 1)] {
        eventually(expected(count), async || {
            let mut found = target.dead_poison(run).await.unwrap();
            found.retain(|_, count| *count > 0);
            found
        })
        .await;
    }
    let stranger = assigned(&run, 7).id();
    rig.all_are(&[(stranger, consumers[0].clone())], Fate::Missing).await;
    let misplaced = target.send(Via::Topic, &[poison(&run, 3), Parcel::Event(assigned(&run, 8))]).await;
    assert!(misplaced[0].is_err() && misplaced[1].is_ok(), "{misplaced:?}");
    rig.write_down(&other, &[]);
    target.clean(&other, false).await.unwrap();
}

/// Cleaning takes away all of a run and nothing of another, and says before what it would.
pub(super) async fn clean_takes_its_own_run_and_nothing_else(rig: &Rig<'_>, name: &str) {
    let target = rig.target;
    let (run, bystander) = (run(name), run(&format!("{name}-1")));
    let consumers = wanting(&target.subscribers().await.unwrap(), &assigned_type());
    let mut events = Vec::new();
    for run in [&run, &bystander] {
        target.prepare(run, &people(run, 4)).await.unwrap();
        for via in [Via::Topic, Via::Queue, Via::Table] {
            let parcels: Vec<Parcel> = (0..3).map(|n| Parcel::Event(assigned(run, n))).collect();
            events.push(sent(target, via, &parcels).await);
        }
        sent(target, Via::Queue, &[poison(run, 9)]).await;
        eventually(true, async || {
            target.dead_poison(run).await.unwrap().values().filter(|n| **n == 1).count() == consumers.len()
        })
        .await;
    }
    let all: Vec<EventId> = events.concat();
    settled(target, &pairs(&all, &consumers)).await;
    let (mine, theirs) = (pairs(&events[..3].concat(), &consumers), pairs(&events[3..].concat(), &consumers));

    rig.write_down(&run, &events[..3].concat());
    let told = target.clean(&run, true).await.unwrap();
    assert!(target.look(&mine).await.unwrap().iter().all(|seen| seen.fate == Fate::Done), "a dry run changes nothing");
    let done = target.clean(&run, false).await.unwrap();
    assert_eq!(done, told, "what was told before is what was done");
    assert!(target.clean(&run, true).await.unwrap().is_empty(), "{:?}", target.clean(&run, true).await);

    rig.all_are(&mine, Fate::Missing).await;
    assert!(target.dead_poison(&run).await.unwrap().values().all(|count| *count == 0));
    assert!(
        target.look(&theirs).await.unwrap().iter().all(|seen| seen.fate == Fate::Done),
        "the bystander was touched"
    );
    let dead = target.dead_poison(&bystander).await.unwrap();
    assert_eq!(dead.values().filter(|count| **count == 1).count(), consumers.len(), "{dead:?}");
}

/// What no consumer has taken yet goes, too, with the bodies that stand elsewhere, and what another run has there stays. Nothing
/// consumes, and bodies of two kilobytes don't travel in their messages.
pub(super) async fn clean_takes_what_waits_and_what_is_large(rig: &Rig<'_>, name: &str) {
    let target = rig.target;
    let (run, bystander) = (run(name), run(&format!("{name}-1")));
    let consumers = wanting(&target.subscribers().await.unwrap(), &assigned_type()).len() as u64;
    let large = |run: &RunId, number| {
        let event = assigned(run, number);
        let mut body: serde_json::Value = serde_json::from_slice(event.body()).unwrap();
        body["data"]["padding"] = "x".repeat(2000).into();
        Parcel::Event(event.with_body(body.to_string().into()))
    };
    let parcels = |run: &RunId| (0..3).map(|n| large(run, n)).collect::<Vec<_>>();
    let theirs = sent(target, Via::Topic, &parcels(&bystander)).await;
    let mine = sent(target, Via::Topic, &parcels(&run)).await;
    rig.write_down(&run, &mine);
    let told = target.clean(&run, true).await.unwrap();
    assert_eq!((told["messages"], told["payloads"]), (3 * consumers, 3), "{told:?}");
    assert_eq!(target.clean(&run, false).await.unwrap(), told);
    assert!(target.clean(&run, true).await.unwrap().is_empty());
    rig.write_down(&bystander, &theirs);
    let left = target.clean(&bystander, false).await.unwrap();
    assert_eq!((left["messages"], left["payloads"]), (3 * consumers, 3), "{left:?}");
}
