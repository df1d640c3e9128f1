//! A workflow with every kind of step, in a process that is killed at every place of a run: right before and right after each step
//! that the run takes, each write that belongs to it, and each thing that is done outside. Whatever the run should do was done in
//! the end, nothing was done twice, and what nobody can know is told.

mod crm;
mod kinds;
mod lane;
mod reckoning;

use std::{fs, iter, path::Path, thread};

use crm::Crm;
use lane::Lane;
use reckoning::{Outside, Tally, reckon};
use sendoff_events::{Clock as _, Rng as _};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::{
    crash::{
        Provider,
        workflow::{plan, run_name},
    },
    servers::Served,
    simulation::World,
};
use tokio::runtime::Runtime;

/// How many data folders are worked on at the same time: a run waits more than it works.
const LANES: usize = 4;
/// How often a run is written: when it starts, and whenever something that it waits for has come to an end. What it decides by itself
/// belongs to the step before.
const STEPS: usize = 16;
/// How many runs go on at the same time where kills come at any moment, how many kills there are, and how often that is done: the same
/// mail may be struck by each of the kills, and its policy gives up what three processes were sending when they vanished.
const TOGETHER: u64 = 30;
const KILLS: u64 = 2;
const ROUNDS: u64 = 5;

/// A lane, and the world outside of it.
struct Case {
    provider: Provider,
    crm: Served<Crm>,
    lane: Lane,
}

impl Case {
    fn new(runtime: &Runtime, work: &[&str]) -> Self {
        let (provider, crm) = (Provider::start().expect("it listens"), runtime.block_on(Served::start(Crm::default())));
        let lane = Lane::new(&provider, &crm.url(), work);
        Self { provider, crm, lane }
    }

    fn reckon(&self, runtime: &Runtime, runs: impl Iterator<Item = u64>, tally: &mut Tally) {
        let sent = self.provider.counted().effects.clone();
        let outside = Outside { sent: &sent, crm: self.crm.peer() };
        runtime.block_on(reckon(&self.lane, runs, &outside, tally));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// The places that a run comes to by itself, in order.
fn places(runtime: &Runtime, file: &Path) -> Vec<String> {
    let case = Case::new(runtime, &["record", &file.display().to_string()]);
    assert_eq!(case.lane.outlive(), 0);
    let mut tally = Tally::default();
    case.reckon(runtime, iter::once(1), &mut tally);
    assert_eq!((tally.resent, tally.unknown), (0, 0), "nobody was killed");
    let places = fs::read_to_string(file).expect("the places");
    places.lines().map(str::to_owned).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the coverage is worth seeing")]
fn every_kind_of_step_survives_a_kill_at_every_place_of_a_run() {
    let began = SystemClock.now();
    let (runtime, folder) = (runtime(), tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("places");
    let places = places(&runtime, &file);
    let file = file.display().to_string();
    let lane = |n: usize| Case::new(&runtime, &["exactly", &file, &n.to_string(), &LANES.to_string()]);
    let cases: Vec<(usize, Case)> = (1..=LANES).map(|n| (n, lane(n))).collect();
    thread::scope(|scope| {
        for (_, case) in &cases {
            scope.spawn(move || case.lane.outlive());
        }
    });

    let (mut tally, mut left_out) = (Tally::default(), Vec::new());
    for (first, case) in &cases {
        let runs = || (1..).zip(&places).skip(first - 1).step_by(LANES);
        case.reckon(&runtime, runs().map(|(n, _)| n), &mut tally);
        let is_left_out = |(n, _): &(u64, &String)| case.lane.death_in(&run_name(*n)).is_none();
        left_out.extend(runs().filter(is_left_out).map(|(_, place)| place.as_str()));
    }

    // A place that a run came to by chance, since something took long, may be one that the next doesn't come to again. Between two
    // steps of a run there is no chance, nor around what is done outside.
    let by_chance = |place: &&str| place.contains("claim") || place.contains("write");
    let (by_chance, missing): (Vec<_>, Vec<_>) = left_out.into_iter().partition(by_chance);
    assert!(missing.is_empty(), "it was never killed at {missing:?}");
    assert!(by_chance.len() * 20 <= places.len(), "it was never killed at {by_chance:?}");
    let at = |place: &str| ["before", "after"].iter().all(|when| places.contains(&format!("{when} {place} #1")));
    let steps = (1..).take_while(|step| at(&format!("step {step}"))).count();
    assert_eq!(steps, STEPS, "{places:?}");
    let kinds = ["email", "sms", "whatsapp", "push", "http", "database", "record", "approval"];
    let sending =
        ["sending email", "sending sms", "sending whatsapp", "sending push", "commit submissions", "commit approvals"];
    let expected = kinds.iter().map(|kind| format!("action {kind}")).chain(sending.map(str::to_owned));
    for place in expected {
        assert!(at(&place), "no run comes to {place}: {places:?}");
    }

    // Every kind of step was taken, and every way that a step may go but for those that no kill leads to.
    assert_eq!(kinds::of(&plan().block, &tally.steps), kinds::all());
    for what in ["Retrying", "Failed", "GivenUp", "Asked", "Decided", "Chosen", "Waiting"] {
        assert!(tally.whats.contains(what), "no run has {what}: {:?}", tally.whats);
    }
    assert!(tally.resent > 0 && tally.unknown > 0, "the kills strike nothing: {tally:?}");
    let took = SystemClock.now().duration_since(began);
    println!(
        "{} runs, each killed at another place, around each of the {steps} steps of a run among them, but for {} that come by \
         chance, in {took:#}: {} messages and requests sent again when in doubt, {} outcomes unknown; kinds: {:?}",
        tally.runs,
        by_chance.len(),
        tally.resent,
        tally.unknown,
        kinds::all(),
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "the tally is worth seeing")]
fn runs_beside_each_other_survive_kills_at_any_moment() {
    let seed = SystemRng::new().next_u64();
    println!("seed {seed}");
    let (runtime, rng, mut tally, mut deaths) = (runtime(), World::new(seed).rng(), Tally::default(), 0);
    for _ in 0..ROUNDS {
        let case = Case::new(&runtime, &["together", &TOGETHER.to_string()]);
        deaths += case.lane.harass(&case.provider, KILLS, &rng);
        case.reckon(&runtime, 1..=TOGETHER, &mut tally);
    }
    assert!(deaths >= ROUNDS && tally.resent > 0, "{deaths} kills struck nothing: {tally:?}");
    println!("{ROUNDS} times {TOGETHER} runs, {deaths} kills: {tally:?}");
}
