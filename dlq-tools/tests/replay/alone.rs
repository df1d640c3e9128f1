//! One run over a network that loses nothing: what it owes to others, and for what it waits.

use std::{path::Path, sync::Arc, time::Duration};

use sendoff_consumers::DeadLetter;
use sendoff_dlq_tools::{
    plan::Head,
    run::{
        Ended, Report, Stage,
        control::{Control, Wanted},
    },
};
use sendoff_events::{Clock as _, Timestamp};
use sendoff_tests::simulation::{Faults, Network, Process, World, WorldClock};

use super::{
    broker::Broker,
    drafts::{head, letter, message_id, plan},
    worlds::{Disk, GoOn, Remembered, Replay},
};

/// Somebody wants the run to wait from the one moment to the other.
struct WaitBetween(WorldClock, Timestamp, Timestamp);

impl Control for WaitBetween {
    fn wanted(&self) -> Wanted {
        let Self(clock, from, to) = self;
        if (*from..*to).contains(&clock.now()) { Wanted::Wait { by: "ada".into() } } else { Wanted::Go }
    }
}

/// So many letters that several batches are always under way.
const MANY: usize = 200;

/// A replay of many letters that nobody kills, over a network that loses nothing.
fn alone(seed: u64, world: &mut World, folder: &Path, head: &Head, control: Arc<dyn Control>) -> Replay {
    let replay = prepared(seed, world, folder, head, control);
    replay.start(world);
    replay
}

/// The same, and nobody has begun it.
fn prepared(seed: u64, world: &World, folder: &Path, head: &Head, control: Arc<dyn Control>) -> Replay {
    let faults = Faults { lost_request: 0, lost_answer: 0, late: 0 };
    let broker = Broker {
        kept: Arc::default(),
        network: Arc::new(Network::new(world.clock(), world.rng(), faults)),
        clock: world.clock(),
        rng: world.rng(),
        by: 0,
        can_pick: seed.is_multiple_of(2),
        entry_faults: 0,
        deletes_first: false,
        repeats: false,
    };
    (0..MANY).for_each(|n| broker.put(letter(n)));
    let plan = plan(folder, "a.plan", head, 0..MANY, false);
    let disk = Disk { lines: Arc::default(), clock: world.clock(), late: None };
    let leases = Remembered::default();
    Replay { process: Process(0), plan, disk, leases, broker, control, ended: Arc::default() }
}

/// Lets it come to its end, after which all letters were moved.
fn to_its_end(seed: u64, world: &mut World, replay: &Replay) {
    while world.alive(replay.process) > 0 {
        assert!(world.step());
    }
    let report = Report::of(&replay.plan, &replay.state(), None);
    assert_eq!(report.moved, MANY as u64, "seed {seed}: {report:?}");
    assert_eq!(replay.broker.kept().sent.len(), MANY, "seed {seed}: each was sent once");
}

#[test]
fn what_is_under_way_when_a_run_is_to_wait_is_finished_before_it_waits() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let head = Head { rate: 100, canary: Vec::new(), ..head() };
        let control = Arc::new(WaitBetween(world.clock(), after(1), after(61)));
        let replay = alone(seed, &mut world, folder.path(), &head, control);
        while world.clock().now() < after(31) {
            assert!(world.step());
        }
        let state = replay.state();
        let half_done = [Stage::Intended, Stage::Ambiguous, Stage::Sent].map(|stage| state.count(stage));
        assert_eq!(half_done, [0, 0, 0], "seed {seed}");
        assert!(state.count(Stage::Waiting) > 0 && state.count(Stage::Moved) > 0, "seed {seed}: {state:?}");
        to_its_end(seed, &mut world, &replay);
    }
}

#[test]
fn letters_that_were_more_than_wanted_are_to_be_had_again_at_once() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        let head = Head { canary: Vec::new(), ..head() };
        let replay = alone(seed, &mut world, folder.path(), &head, Arc::new(GoOn));
        to_its_end(seed, &mut world, &replay);
        // A lease lasts for 20 s, and nobody has to wait for the end of one.
        assert!(world.clock().now() < begun + Duration::from_secs(15), "seed {seed}: {}", world.clock().now() - begun);
    }
}

#[test]
fn what_a_run_leaves_in_the_queue_is_free_for_others_when_it_ends() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let head = Head { canary: Vec::new(), ..head() };
        let replay = alone(seed, &mut world, folder.path(), &head, Arc::new(GoOn));
        // Half of the letters aren't what was planned, and some are of no plan.
        (0..MANY / 2).for_each(|n| replay.broker.put(DeadLetter { body: "other".into(), ..letter(n) }));
        (MANY..MANY + 30).for_each(|n| replay.broker.put(letter(n)));
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        let report = Report::of(&replay.plan, &replay.state(), None);
        assert_eq!((report.moved, report.skipped), (100, 100), "seed {seed}: {report:?}");
        assert_eq!(replay.broker.free(), 130, "seed {seed}");
    }
}

/// Kills the run in the midst of it, as soon as it has `so` letters. Gives which these are.
fn killed_when(seed: u64, world: &mut World, replay: &Replay, so: Stage) -> Vec<usize> {
    loop {
        assert!(world.step(), "seed {seed}: it came to its end before");
        let state = replay.state();
        let is_so = |n: &usize| replay.plan.place(&message_id(*n)).is_some_and(|place| state.stage(place) == so);
        if state.count(Stage::Moved) > 20 && state.count(so) > 0 {
            world.kill(replay.process);
            *replay.ended.lock().unwrap() = None;
            // The machine lives, and with it what was written.
            replay.disk.keep_all();
            return (0..MANY).filter(is_so).collect();
        }
    }
}

fn without_a_ladder() -> Head {
    Head { canary: Vec::new(), ..head() }
}

#[test]
fn whoever_goes_on_after_a_kill_waits_for_no_lease_of_the_process_that_was_killed() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        // No next batch is being taken while one is about to be sent: nobody would know of those leases.
        let head = Head { rate: 40, ..without_a_ladder() };
        let replay = alone(seed, &mut world, folder.path(), &head, Arc::new(GoOn));
        killed_when(seed, &mut world, &replay, Stage::Intended);
        let there = replay.broker.kept().letters.len();
        assert!(replay.broker.free() < there, "seed {seed}: it held some");
        replay.start(&mut world);
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        let report = Report::of(&replay.plan, &replay.state(), None);
        assert_eq!(report.moved, MANY as u64, "seed {seed}: {report:?}");
        // A lease lasts for 20 s.
        assert!(world.clock().now() < begun + Duration::from_secs(15), "seed {seed}: {}", world.clock().now() - begun);
    }
}

#[test]
fn what_a_killed_process_had_sent_is_deleted_before_anybody_else_can_take_it() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let replay = alone(seed, &mut world, folder.path(), &without_a_ladder(), Arc::new(GoOn));
        let sent = killed_when(seed, &mut world, &replay, Stage::Sent);
        replay.start(&mut world);
        while sent.iter().any(|n| replay.broker.kept().letters.contains_key(&message_id(*n))) {
            assert!(world.step());
            let free: Vec<_> = sent.iter().filter(|n| replay.broker.is_free(&message_id(**n))).collect();
            assert!(free.is_empty(), "seed {seed}: {free:?} could be taken, and were sent");
        }
    }
}

#[test]
fn a_letter_that_has_the_id_of_one_that_was_sent_and_another_body_is_not_deleted() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let replay = alone(seed, &mut world, folder.path(), &without_a_ladder(), Arc::new(GoOn));
        let sent = killed_when(seed, &mut world, &replay, Stage::Sent);
        for n in &sent {
            replay.broker.put(DeadLetter { body: "other".into(), ..letter(*n) });
        }
        replay.start(&mut world);
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        let report = Report::of(&replay.plan, &replay.state(), None);
        let left: Vec<String> = replay.broker.kept().letters.keys().cloned().collect();
        assert_eq!(left, sent.iter().map(|n| message_id(*n)).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(report.sent_not_deleted, sent.len() as u64, "seed {seed}: {report:?}");
    }
}

#[test]
fn a_letter_that_came_twice_is_deleted_by_its_newest_receipt() {
    // Only where letters can't be asked for by their ids do they come twice.
    for seed in (0..30).filter(|seed| seed % 2 == 1) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let begun = world.clock().now();
        let mut replay = prepared(seed, &world, folder.path(), &without_a_ladder(), Arc::new(GoOn));
        replay.broker.repeats = true;
        replay.start(&mut world);
        to_its_end(seed, &mut world, &replay);
        assert!(replay.broker.kept().repeated > 5, "seed {seed}");
        // One that an old receipt names stays until its lease is over, after 20 s.
        assert!(world.clock().now() < begun + Duration::from_secs(18), "seed {seed}: {}", world.clock().now() - begun);
    }
}

#[test]
fn a_run_pauses_when_nothing_of_what_it_sends_can_be_deleted_and_only_deletes_when_it_goes_on() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let replay = prepared(seed, &world, folder.path(), &without_a_ladder(), Arc::new(GoOn));
        replay.broker.kept().refuses_deletes = true;
        replay.start(&mut world);
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        let ended = replay.ended.lock().unwrap().take();
        let Some(Ok((Ended::Paused { why, unreachable: false }, state))) = ended else {
            panic!("seed {seed}: {ended:?}")
        };
        assert!(why.contains("can't be deleted, 5 times in a row"), "seed {seed}: {why}");
        // Five batches of four, and those that were under way by then.
        assert!((20..=40).contains(&state.count(Stage::Sent)), "seed {seed}: {state:?}");
        replay.broker.kept().refuses_deletes = false;
        replay.start(&mut world);
        to_its_end(seed, &mut world, &replay);
    }
}

#[test]
fn a_run_soon_sees_that_somebody_else_has_moved_what_it_waits_for() {
    for seed in (0..30).filter(|seed| seed % 2 == 0) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        let replay = prepared(seed, &world, folder.path(), &without_a_ladder(), Arc::new(GoOn));
        let others: Vec<String> = (0..10).map(message_id).collect();
        let later = world.clock().now() + Duration::from_secs(600);
        others.iter().for_each(|id| replay.broker.hide(id, later));
        replay.start(&mut world);
        while replay.state().count(Stage::Moved) < (MANY - others.len()) as u64 {
            assert!(world.step());
        }
        let moved = world.clock().now() + Duration::from_millis(1500);
        while world.clock().now() < moved {
            assert!(world.step());
        }
        others.iter().for_each(|id| drop(replay.broker.kept().letters.remove(id)));
        while world.alive(replay.process) > 0 {
            assert!(world.step());
        }
        assert_eq!(replay.state().count(Stage::Gone), 10, "seed {seed}");
        assert!(world.clock().now() < moved + Duration::from_secs(2), "seed {seed}: {}", world.clock().now() - moved);
    }
}
