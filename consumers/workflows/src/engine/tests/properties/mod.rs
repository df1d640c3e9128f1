//! Runs of any plan, whatever happens.

mod defined;
mod generating;
mod oracle;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use self::{
    generating::{May, blocks},
    oracle::{Ended, Oracle},
    worlds::{Alike, Random, chance, well},
};
use super::making::*;
use crate::{
    Plan,
    engine::{
        Command, Entry, Played, Reply, RunState, Signal, Status, Turn, What, World, advance, carry_on, pending, start,
        virtual_run::{self, virtual_run},
    },
};

const ANY: May = May { fail: true };
const HEALING: May = May { fail: false };

fn played(plan: &Plan, world: &mut dyn World) -> Played {
    virtual_run(plan, "run-1", &input(), now(), world).unwrap()
}

/// What ends something that was under way.
const ENDS: [What; 6] = [What::Done, What::Skipped, What::Decided, What::Expired, What::Failed, What::GivenUp];

/// How often each instance that something was asked for has come to an end, between one time that the run is taken up and the
/// next.
fn ends(history: &[Entry]) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for entry in history {
        let Some(instance) = entry.instance.as_ref().map(ToString::to_string) else { continue };
        if matches!(entry.what, What::Attempted | What::Asked | What::Waiting) {
            ends.entry(instance).or_insert(0);
        } else if ENDS.contains(&entry.what) {
            ends.entry(instance).and_modify(|count| *count += 1);
        }
    }
    ends
}

/// The signal that answers a command, and when it comes at the earliest.
fn answer(command: &Command) -> (Timestamp, Signal) {
    let signal = match command {
        Command::Act(act) => {
            let Reply::Done(output) = well(act).reply else { panic!("it goes well") };
            Signal::Done { instance: act.instance.clone(), attempt: act.attempt, output }
        }
        Command::Wake { instance, attempt, .. } => Signal::Due { instance: instance.clone(), attempt: *attempt },
        Command::Ask(ask) => Signal::Decided {
            instance: ask.instance.clone(),
            decision: crate::engine::Decision::Approved,
            by: "ada".into(),
            comment: None,
            at: now(),
        },
    };
    (command.due(), signal)
}

/// Commands in an order of their own.
fn sorted(mut commands: Vec<Command>) -> Vec<Command> {
    commands.sort_by_key(|command| (command.instance().clone(), matches!(command, Command::Wake { .. })));
    commands
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_run_comes_to_an_end_and_so_does_everything_in_it_once(block in blocks(ANY), seed: u64) {
        let played = played(&plan(block), &mut Random { seed, heals: u32::MAX });
        prop_assert_ne!(played.state.status(), Status::Running);
        for (instance, count) in ends(&played.history) {
            prop_assert_eq!(count, 1, "{}", instance);
        }
        let mut attempts = BTreeSet::new();
        for act in &played.acts {
            prop_assert!(attempts.insert((&act.instance, act.attempt)), "{} was done twice", &act.instance);
        }
    }

    #[test]
    fn a_run_comes_to_what_a_simpler_reading_of_its_plan_says(block in blocks(ANY), seed: u64) {
        let fails = |instance: &str| chance((seed, instance), 6) == 0;
        let mut oracle = Oracle { total: 0.into(), ..Oracle::default() };
        let gone = oracle.block(&block, &[], &fails);
        let played = played(&plan(block), &mut Alike(&fails));
        let status = if gone == Err(Ended::Failed) { Status::Failed } else { Status::Succeeded };
        prop_assert_eq!(played.state.status(), status);
        prop_assert_eq!(&played.state.vars()["total"], &oracle.total);
        if status == Status::Succeeded {
            prop_assert_eq!(played.state.results(), &oracle.results);
        }
    }

    #[test]
    fn a_crash_between_any_two_turns_and_signals_that_come_again_change_nothing(block in blocks(ANY), seed: u64) {
        let plan = plan(block);
        let mut world = Random { seed, heals: u32::MAX };
        let smooth = played(&plan, &mut world);
        // The same, but of everything that is asked for only the state is left, as text, and all that was ever said is said again.
        let mut turn = start(&plan, "run-1", &input(), now()).unwrap();
        let mut said: Vec<Signal> = Vec::new();
        let mut history = turn.history.clone();
        while turn.state.status() == Status::Running {
            let text = serde_json::to_string(&turn.state).unwrap();
            let state: RunState = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&state, &turn.state);
            let (at, signal) = next(&plan, &state, &mut world);
            turn = advance(&plan, state, &signal, at, &mut || 0.5);
            history.extend(turn.history.clone());
            said.push(signal);
            let old = &said[chance((seed, said.len()), said.len() as u64) as usize];
            for signal in [old, &said[said.len() - 1]] {
                let again = advance(&plan, turn.state.clone(), signal, at, &mut || 0.5);
                prop_assert_eq!(&again.state, &turn.state);
                prop_assert!(again.commands.is_empty() && again.history.is_empty());
            }
        }
        prop_assert_eq!(&turn.state, &smooth.state);
        prop_assert_eq!(history, smooth.history);
    }

    #[test]
    fn what_is_pending_is_all_that_was_asked_for_and_neither_answered_nor_given_up(block in blocks(ANY), seed: u64) {
        let plan = plan(block);
        let mut world = Random { seed, heals: u32::MAX };
        let Turn { mut state, commands, .. } = start(&plan, "run-1", &input(), now()).unwrap();
        let mut open = commands;
        while state.status() == Status::Running {
            prop_assert_eq!(sorted(open.clone()), sorted(pending(&plan, &state)));
            let (at, signal) = next(&plan, &state, &mut world);
            let turn = advance(&plan, state, &signal, at, &mut || 0.5);
            let over = |entry: &&Entry| ENDS.contains(&entry.what) || entry.what == What::Retrying;
            let over: BTreeSet<_> = turn.history.iter().filter(over).filter_map(|entry| entry.instance.clone()).collect();
            open.retain(|command| !over.contains(command.instance()));
            open.extend(turn.commands);
            state = turn.state;
        }
        prop_assert!(pending(&plan, &state).is_empty());
    }

    #[test]
    fn the_order_of_news_does_not_matter_where_all_goes_well(block in blocks(HEALING), first: u64, second: u64) {
        let plan = plan(block);
        let ending = |seed: u64| {
            let mut turn = start(&plan, "run-1", &input(), now()).unwrap();
            let (mut at, mut count) = (now(), 0_u64);
            while turn.state.status() == Status::Running {
                let mut waiting = pending(&plan, &turn.state);
                // Decisions come before their deadlines.
                let asks = |command: &Command| matches!(command, Command::Ask(_));
                let asked: Vec<_> = waiting.iter().filter(|one| asks(one)).map(|one| one.instance().clone()).collect();
                waiting.retain(|command| asks(command) || !asked.contains(command.instance()));
                let (due, signal) = answer(&waiting[chance((seed, count), waiting.len() as u64) as usize]);
                (at, count) = (at.max(due), count + 1);
                turn = advance(&plan, turn.state, &signal, at, &mut || 0.5);
            }
            turn.state
        };
        prop_assert_eq!(ending(first), ending(second));
    }

    #[test]
    fn a_run_that_is_taken_up_again_ends_well_once_the_world_is_well(block in blocks(HEALING), seed: u64) {
        let plan = plan(block);
        let mut broken = Random { seed, heals: u32::MAX };
        let mut played = played(&plan, &mut broken);
        let mut history = std::mem::take(&mut played.history);
        let mut acts = std::mem::take(&mut played.acts);
        for round in 0..3 {
            if played.state.status() != Status::Failed {
                break;
            }
            let at = played.ended;
            let turn = advance(&plan, played.state, &Signal::Redrive, at, &mut || 0.5);
            let heals = if round == 2 { 0 } else { u32::MAX };
            played = carry_on(&plan, turn, at, &mut Random { seed, heals });
            for (instance, count) in ends(&played.history) {
                prop_assert_eq!(count, 1, "{}", instance);
            }
            history.append(&mut played.history);
            acts.append(&mut played.acts);
        }
        prop_assert_eq!(played.state.status(), Status::Succeeded);
        // What was done is never asked for again, and what is asked for again is asked for in the same words.
        let mut done = BTreeSet::new();
        for entry in &history {
            match entry.what {
                What::Done | What::Skipped => drop(done.insert(entry.instance.clone())),
                What::Attempted => prop_assert!(!done.contains(&entry.instance), "{:?}", entry),
                _ => {}
            }
        }
        let mut calls: BTreeMap<_, Value> = BTreeMap::new();
        for act in acts {
            let mut call = act.call;
            call["redrive"].take();
            let first = calls.entry(act.instance).or_insert_with(|| call.clone());
            prop_assert_eq!(first, &call);
        }
    }
}

/// What happens next in this world to a run of which nothing but the state is left.
fn next(plan: &Plan, state: &RunState, world: &mut dyn World) -> (Timestamp, Signal) {
    let news = pending(plan, state).into_iter().filter_map(|command| {
        let (due, instance, wake) =
            (command.due(), command.instance().clone(), matches!(command, Command::Wake { .. }));
        let (after, signal) = virtual_run::news(command, due, world)?;
        Some(((due + after, instance, !wake), signal))
    });
    let ((at, ..), signal) =
        news.min_by_key(|(place, _)| place.clone()).expect("a run that is running waits for something");
    (at, signal)
}
