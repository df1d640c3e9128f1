//! Two replays at once of the same queue, each killed wherever it stands, over a network that loses and delays. A seed decides
//! everything.

use std::sync::Arc;

use bytes::Bytes;
use sendoff_dlq_tools::run::{Ended, Report, leases::Leases as _};
use sendoff_events::Rng as _;
use sendoff_tests::simulation::{Faults, Network, Process, World};

use super::{
    broker::Broker,
    drafts::{head, letter, message_id, plan},
    envelope,
    worlds::{Disk, GoOn, Remembered, Replay},
};

const LETTERS: usize = 40;

/// What is done wrong, to see whether it is found.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// Sends before the journal knows that it is about to.
    SendsFirst,
    /// Deletes before it has sent.
    DeletesFirst,
}

/// Plays one world to its end.
fn play(seed: u64, edits: bool, mistake: Mistake) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(seed);
    let faults = Faults { lost_request: 40, lost_answer: 40, late: 30 };
    let network = Arc::new(Network::new(world.clock(), world.rng(), faults));
    let kept = Arc::default();
    let can_pick = seed.is_multiple_of(2);
    let replays: Vec<Replay> = (0..if edits { 1 } else { 2 })
        .map(|n| {
            let name = format!("{n}.plan");
            // Most letters are in both plans.
            let letters = (0..LETTERS).filter(|letter| letter % 7 != n);
            let broker = Broker {
                kept: Arc::clone(&kept),
                network: network.clone(),
                clock: world.clock(),
                rng: world.rng(),
                by: n,
                can_pick,
                entry_faults: 20,
                deletes_first: mistake == Mistake::DeletesFirst,
                repeats: false,
            };
            let late = (mistake == Mistake::SendsFirst).then(Arc::default);
            Replay {
                process: Process(n as u32),
                plan: plan(folder.path(), &name, &head(), letters, edits),
                disk: Disk { lines: Arc::default(), clock: world.clock(), late },
                leases: Remembered::default(),
                broker,
                control: Arc::new(GoOn),
                ended: Arc::default(),
            }
        })
        .collect();
    (0..LETTERS).for_each(|n| replays[0].broker.put(letter(n)));
    replays.iter().for_each(|replay| replay.start(&mut world));
    let (mut steps, mut kills) = (0_u64, 0);
    loop {
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: it never ends");
        if !world.step() && replays.iter().all(|replay| world.alive(replay.process) == 0) {
            let open = replays.iter().any(|replay| replay.ended.lock().unwrap().is_none());
            assert!(!open, "seed {seed}: a process stands still");
        }
        if steps == 6000 {
            network.calm_down();
        }
        let mut over = true;
        for replay in &replays {
            if steps < 6000 && world.rng().next_u64().is_multiple_of(400) {
                world.kill(replay.process);
                // The machine itself may have gone down.
                if world.rng().next_u64().is_multiple_of(2) {
                    replay.leases.forget();
                }
                *replay.ended.lock().unwrap() = None;
                replay.start(&mut world);
                kills += 1;
            }
            let ended = replay.ended.lock().unwrap().take();
            let is_over = match ended {
                None => false,
                Some(Ok((Ended::Finished, state))) if steps > 6000 => {
                    let report = Report::of(&replay.plan, &state, Some(&Ended::Finished));
                    assert!(report.adds_up(), "seed {seed}: {report:?}");
                    // What this process left in the dark, a next one clears up.
                    let done = report.ambiguous + report.waiting + report.sent_not_deleted == 0;
                    if done {
                        *replay.ended.lock().unwrap() = Some(Ok((Ended::Finished, state)));
                    }
                    done
                }
                Some(Ok(_)) => false,
                Some(Err(error)) => panic!("seed {seed}: {error}"),
            };
            if !is_over && world.alive(replay.process) == 0 {
                replay.start(&mut world);
            }
            over &= is_over;
        }
        if over {
            break;
        }
    }
    judge(seed, &replays, kills, edits);
}

fn judge(seed: u64, replays: &[Replay], kills: usize, edits: bool) {
    let kept = replays[0].broker.kept();
    for n in 0..LETTERS {
        let id = message_id(n);
        let planned: Vec<(usize, u32)> =
            replays.iter().enumerate().filter_map(|(by, replay)| Some((by, replay.plan.place(&id)?))).collect();
        let sends: Vec<_> = kept.sent.iter().filter(|sent| sent.of == id).collect();
        let is_there = kept.letters.contains_key(&id);
        if planned.is_empty() {
            assert!(is_there && sends.is_empty(), "seed {seed}: {id} is in no plan");
            continue;
        }
        assert!(!sends.is_empty(), "seed {seed}, {kills} kills: {id} is {}", if is_there { "left" } else { "lost" });
        assert!(!is_there, "seed {seed}: {id} was sent and stays");
        for (by, place) in planned {
            let doubts = replays[by].doubts().get(&place).copied().unwrap_or_default();
            let count = sends.iter().filter(|sent| sent.by == by).count();
            assert!(count <= 1 + doubts, "seed {seed}: {id} was sent {count} times by {by}, with {doubts} doubts");
        }
        let wanted: Bytes = if edits && n.is_multiple_of(5) { envelope(1000 + n) } else { envelope(n) }.into();
        assert!(sends.iter().all(|sent| sent.body == wanted), "seed {seed}: of {id} both were sent");
    }
    for replay in replays {
        let state = replay.state();
        let told = state.resent() + state.gone_in_doubt();
        let doubted = replay.doubts().len() as u64;
        assert!(told <= doubted, "seed {seed}: {told} told of {doubted}");
    }
}

#[test]
fn nothing_is_lost_by_two_replays_that_are_killed_at_any_await() {
    (0..40).for_each(|seed| play(seed, false, Mistake::None));
}

#[test]
fn of_an_edited_letter_only_the_new_event_is_ever_sent() {
    (0..30).for_each(|seed| play(seed, true, Mistake::None));
}

/// What the simulation says of a mistake in the first world that shows it.
fn found(mistake: Mistake) -> String {
    let play = |seed| std::panic::catch_unwind(|| play(seed, false, mistake));
    let found = (0..40).find_map(|seed| play(seed).err()).unwrap_or_else(|| panic!("nobody noticed {mistake:?}"));
    found.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_run_that_sent_before_its_journal_knew_would_be_found() {
    let found = found(Mistake::SendsFirst);
    assert!(found.contains("was sent 2 times"), "{found}");
}

#[test]
fn a_run_that_deleted_before_it_sent_would_be_found() {
    let found = found(Mistake::DeletesFirst);
    assert!(found.contains("is lost"), "{found}");
}
