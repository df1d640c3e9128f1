//! The worker as a host: leases, stops, outages.

use std::{sync::atomic::Ordering, time::Duration};

use sendoff_consumers::{Context, Handler, HandlerError, Policy, RouterPorts, Status, Stop, Verdict};
use sendoff_events::{AppAssigned, Clock, Envelope};
use sendoff_tests::memory::lock;

use super::rig::{Act, LEASE, Rig, WORKER, sent};

#[test]
fn a_running_handlers_lease_is_extended_so_that_nobody_else_gets_its_message() {
    let mut rig = Rig::new(|step, _| if step == "ada" { Act::Hang(LEASE * 4) } else { sent() });
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2);
    assert_eq!(rig.record(event).attempts, 1);
}

#[test]
fn a_duplicate_that_comes_while_the_first_is_worked_does_not_wait_for_the_end_of_its_claim() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(2)));
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body.clone(), None);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(20));
    assert_eq!(rig.record(event).status, Status::Done);
    assert_eq!((rig.sends().len(), lock(&rig.queue).len()), (2, 0), "both are gone, and each was sent once");
}

#[test]
fn a_stop_lets_a_running_handler_finish() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(5)));
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let (stopper, stop) = Stop::pair();
    rig.start(stop, Duration::from_secs(60));
    rig.run_for(Duration::from_secs(1));
    stopper.stop();
    rig.run_dry();
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.world.alive(WORKER), 0, "the worker has ended");
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn what_is_not_finished_after_the_grace_period_is_in_doubt_and_held() {
    let mut rig = Rig::new(|_, _| Act::Hang(Duration::from_secs(50)));
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let (stopper, stop) = Stop::pair();
    rig.start(stop, Duration::from_secs(2));
    rig.run_for(Duration::from_secs(1));
    stopper.stop();
    rig.run_for(Duration::from_secs(4));
    assert_eq!(rig.world.alive(WORKER), 0, "the worker has ended");
    assert_eq!(rig.record(event).status, Status::InDoubt);
    assert_eq!(lock(&rig.queue).len(), 1, "its message waits for the end of the window");
}

#[test]
fn nothing_runs_while_the_inbox_cannot_be_reached_and_nothing_is_lost() {
    let mut rig = Rig::new(|_, _| sent());
    rig.inbox_down = Duration::from_secs(300);
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(299));
    assert!(rig.sends().is_empty());
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
}

/// A handler that may take for ever.
struct Patient;

impl Handler for Patient {
    type Event = AppAssigned;
    const NAME: &'static str = "patient";
    const POLICY: Policy = Policy { timeout: Duration::MAX, ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<AppAssigned>, _: &Context) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[test]
fn a_handler_without_a_deadline_and_an_inbox_that_never_forgets_work() {
    let rig = Rig::new(|_, _| sent());
    let (_, body) = rig.envelope(Duration::ZERO);
    let ports = RouterPorts { keep: Duration::MAX, ..rig.ports() };
    assert_eq!(rig.judge(ports, Patient, body), Verdict::Ack { duplicate: false });
}

#[test]
fn a_claim_whose_answer_was_lost_is_asked_again_and_uses_up_no_attempt() {
    let mut rig = Rig::new(|_, _| sent());
    rig.silent_claims = 2;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    let began = rig.world.clock().now();
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    assert_eq!((rig.record(event).status, rig.record(event).attempts), (Status::Done, 1));
    assert!(rig.world.clock().now() < began + LEASE, "nobody waited for the claim to lapse");
}

#[test]
fn a_handler_goes_on_while_its_lease_is_being_extended() {
    let mut rig = Rig::new(|_, _| Act::Hang(LEASE));
    rig.extends = false;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(LEASE * 3);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_worker_without_a_slot_has_one_nevertheless() {
    let mut rig = Rig::new(|_, _| sent());
    rig.slots = 0;
    let (event, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_for(LEASE);
    assert_eq!(rig.record(event).status, Status::Done);
}

#[test]
fn a_worker_pauses_longer_and_longer_while_the_inbox_cannot_be_reached() {
    let mut rig = Rig::new(|_, _| sent());
    rig.inbox_down = Duration::from_secs(600);
    rig.stock(1000);
    rig.start(Stop::never(), LEASE);
    rig.run_for(Duration::from_secs(600));
    let receives = rig.receives.load(Ordering::Relaxed);
    assert!((10..120).contains(&receives), "it asked {receives} times in ten minutes");
    rig.run_dry();
    assert_eq!(rig.sends().len(), 2000);
}

#[test]
fn a_worker_with_a_lot_to_do_asks_again_before_the_answer_and_one_that_has_nothing_to_do_asks_once() {
    let mut rig = Rig::new(|_, _| sent());
    (rig.slots, rig.batch, rig.receive_takes) = (40, Some(10), Duration::from_secs(1));
    rig.stock(200);
    rig.start(Stop::never(), LEASE);
    let mut under_way = Vec::new();
    while !lock(&rig.queue).is_empty() {
        rig.run_for(Duration::from_millis(100));
        under_way.push(rig.receiving.load(Ordering::Relaxed));
        assert!(under_way.len() < 100, "twenty receives, one after the other, take twenty seconds: {under_way:?}");
    }
    assert_eq!(under_way.iter().max(), Some(&4), "as many as fill all slots: {under_way:?}");
    rig.run_for(Duration::from_secs(20));
    assert_eq!(rig.receiving.load(Ordering::Relaxed), 1);
    assert_eq!(rig.sends().len(), 400);
}

/// A worker that has so much to do that it asks several times at once.
fn busy() -> Rig {
    let mut rig = Rig::new(|_, _| sent());
    (rig.slots, rig.batch, rig.receive_takes) = (40, Some(10), Duration::from_millis(500));
    rig.stock(400);
    rig
}

#[test]
fn what_a_busy_worker_has_asked_for_when_it_stops_is_there_for_others_at_once() {
    let mut rig = busy();
    rig.release_takes = Duration::from_millis(1500);
    let (stopper, stop) = Stop::pair();
    rig.start(stop, LEASE);
    for _ in 0..1000 {
        if rig.receiving.load(Ordering::Relaxed) < 4 {
            rig.run_for(Duration::from_millis(10));
        }
    }
    assert_eq!(rig.receiving.load(Ordering::Relaxed), 4);
    stopper.stop();
    rig.run_for(Duration::from_secs(4));
    assert_eq!((rig.world.alive(WORKER), rig.receiving.load(Ordering::Relaxed)), (0, 0), "the worker has ended");
    assert!(rig.depth().visible > 0, "it isn't handled to the end");
    assert_eq!(rig.depth().in_flight, 0, "what nobody works on is held by nobody");
}

#[test]
fn what_a_busy_worker_has_asked_for_when_the_inbox_becomes_unreachable_is_held_by_nobody() {
    let mut rig = busy();
    rig.inbox_down = Duration::from_secs(300);
    rig.start(Stop::never(), LEASE);
    // Before any lease ends by itself.
    let moments: Vec<(u32, u64)> = (0..80)
        .map(|_| {
            rig.run_for(Duration::from_millis(100));
            (rig.receiving.load(Ordering::Relaxed), rig.depth().in_flight)
        })
        .collect();
    assert!(moments.iter().any(|(receiving, _)| *receiving > 1), "several are under way as it happens: {moments:?}");
    let held = moments.iter().rev().filter(|(receiving, _)| *receiving == 0).map(|(_, held)| *held);
    assert_eq!(held.take(20).min(), Some(0), "some are held though nobody works on them: {moments:?}");
}

#[test]
fn after_an_outage_a_worker_asks_once_before_it_asks_for_more() {
    let mut rig = busy();
    rig.inbox_down = Duration::from_secs(300);
    rig.start(Stop::never(), LEASE);
    let receives: Vec<u32> = (0..800)
        .map(|_| {
            rig.run_for(Duration::from_millis(10));
            rig.receiving.load(Ordering::Relaxed)
        })
        .collect();
    let begun: Vec<u32> = receives.windows(2).filter(|pair| pair[0] == 0 && pair[1] > 0).map(|pair| pair[1]).collect();
    assert!(!begun.is_empty() && begun.iter().all(|receives| *receives == 1), "{begun:?}");
}

#[test]
fn a_stop_during_an_outage_gives_back_what_several_receives_bring() {
    let mut several = 0;
    for tenths in 0..40 {
        let mut rig = busy();
        rig.inbox_down = Duration::from_secs(300);
        let (stopper, stop) = Stop::pair();
        rig.start(stop, LEASE);
        rig.run_for(Duration::from_millis(100) * tenths);
        let receiving = rig.receiving.load(Ordering::Relaxed);
        stopper.stop();
        rig.run_for(Duration::from_secs(4));
        assert_eq!(rig.world.alive(WORKER), 0, "the worker has ended");
        if receiving > 1 {
            several += 1;
            assert_eq!(rig.depth().in_flight, 0, "{receiving} were under way after {tenths} tenths of a second");
        }
    }
    assert!(several > 0, "several are under way at some moment");
}
