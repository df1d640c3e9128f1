//! The whole system in this process.

use sendoff_embedded::sink::{Mailbox, Messages};
use sendoff_load::{
    scenario::Kind,
    slo::Slo,
    target::{Parcel, Via},
    targets::{TargetOptions, open},
};

use super::{
    conformance::{
        Rig, clean_takes_its_own_run_and_nothing_else, every_way_is_accounted_for,
        poison_is_counted_and_what_never_was_is_missing,
    },
    given::{assigned, assigned_type, eventually, pairs, people, run, settled, wanting},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_system_of_our_own_keeps_every_promise_and_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let target = open(&TargetOptions { keep_data: Some(data.clone()), ..TargetOptions::default() }).await.unwrap();
    every_way_is_accounted_for(&Rig::of(&*target), "ways", &[Via::Topic, Via::Queue, Via::Table, Via::Api]).await;
    poison_is_counted_and_what_never_was_is_missing(&Rig::of(&*target), "poison").await;
    clean_takes_its_own_run_and_nothing_else(&Rig::of(&*target), "clean").await;
    let usage = target.usage().await.unwrap();
    assert!(usage.stored.is_some_and(|bytes| bytes > 0) && usage.cost.is_none(), "{usage:?}");
    assert!(target.is_here() && target.depths().await.unwrap().contains_key("email"));
    target.stop().await.unwrap();
    target.stop().await.unwrap();
    assert_eq!(Mailbox::of(&data).list().unwrap().len(), 0, "no mail went even to the sink of the embedded system");
    assert_eq!(Messages::of(&data).list(None).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_nothing_is_left() {
    let target = open(&TargetOptions { relaxed: true, ..TargetOptions::default() }).await.unwrap();
    every_way_is_accounted_for(&Rig::of(&*target), "gone", &[Via::Topic]).await;
    let usage = target.usage().await.unwrap();
    assert!(usage.stored.is_some());
    target.stop().await.unwrap();
    assert_eq!(target.usage().await.unwrap().stored, None, "the folder is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_are_counted_where_they_are_passed_over() {
    let target = open(&TargetOptions { relaxed: true, ..TargetOptions::default() }).await.unwrap();
    assert_eq!((target.durability(), target.remark(Via::Topic)), (Some("relaxed"), None));
    let subscribers = target.subscribers().await.unwrap();
    let names: Vec<&str> = subscribers.iter().map(|subscriber| subscriber.queue.as_str()).collect();
    let standard = Slo::STANDARD.map(|(name, _)| name);
    assert_eq!(names, standard, "these are the consumers that an SLO may name before the system is there");
    for kind in Kind::ALL {
        let gets = Slo::STANDARD.into_iter().filter(|(_, kinds)| kinds.contains(kind)).map(|(name, _)| name);
        assert_eq!(wanting(&subscribers, &kind.event_type().to_string()), gets.collect::<Vec<_>>(), "{kind:?}");
    }

    let run = run("again");
    target.prepare(&run, &people(&run, 4)).await.unwrap();
    let event = assigned(&run, 0);
    assert!(target.send(Via::Topic, &[Parcel::Event(event.clone())]).await[0].is_ok());
    let consumers = wanting(&subscribers, &assigned_type());
    settled(&*target, &pairs(&[event.id()], &consumers)).await;
    for via in [Via::Topic, Via::Queue] {
        assert!(target.send(via, &[Parcel::Again(event.clone())]).await[0].is_ok(), "{via:?}");
    }
    let expected = consumers.iter().map(|consumer| (consumer.clone(), 2)).collect();
    eventually(Some(expected), async || target.suppressed(&run).await.unwrap()).await;
    assert!(target.dead_events(&run).await.unwrap().values().all(Vec::is_empty));
    target.stop().await.unwrap();
}
