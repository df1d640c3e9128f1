//! Requests to end a run, and guards, at each of its stages: before the first send, while there is something to be sent, and after
//! that. And a generator that breaks off.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_consumers::Stop;
use sendoff_events::{BoxFuture, Clock, EventId};
use sendoff_load::{
    generator::{Courier, Health},
    guards::{Halt, Reason},
    report::{Place, Report, Word},
    run::{self, Host, Outcome, Progress, RunError, Setup, Watcher},
};
use sendoff_tests::simulation::{Process, World};

use crate::{
    fake::{Fake, Faults},
    virtually::{Ended, Ran, halt_at, ran, ran_until, run_id, scenario, tried, tried_with},
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"60s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

/// A system that is done with an event so many seconds after it came.
fn slow(seconds: u64) -> Faults {
    let pace = move |_, _: &str| (Duration::from_secs(seconds), Duration::from_millis(30));
    Faults { pace: Box::new(pace), ..Faults::default() }
}

/// A system that answers the first 200 sends, and no more.
fn hanging() -> Faults {
    let answer = |number| if number < 200 { Duration::from_millis(5) } else { Duration::from_secs(3600) };
    Faults { answer: Box::new(answer), ..Faults::default() }
}

fn seconds(outcome: &Outcome) -> f64 {
    outcome.ended.duration_since(outcome.started).as_secs_f64()
}

#[test]
fn a_guard_ends_nothing_once_everything_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("STOP");
    let there = switch.clone();
    let ended = Ended { switch: Some(switch), ..Ended::default() };
    let pulled = tried_with(STEADY, slow(10), ended, |clock, _| {
        clock.later(Duration::from_secs(25), move || fs::write(there, "").unwrap());
    });
    // 999 sends cost as much, which is seen when the last one has gone too.
    let cost = ran(&format!("{STEADY}[guards]\nmax_cost = 0.9985\n"), Faults { price: 0.001, ..Faults::default() });
    for Ran { report, outcome, .. } in [pulled.unwrap_or_else(|e| panic!("{e}")), cost] {
        assert_eq!((report.total.done, &outcome.halted, &outcome.cut_short), (2000, &None, &None));
        assert_eq!((report.verdict.word, report.verdict.exit), (Word::Ok, 0), "{:?}", report.verdict);
    }
}

#[test]
fn a_request_to_stop_once_everything_was_sent_only_cuts_the_waiting_short() {
    let Ran { report, outcome, .. } = ran_until(STEADY, slow(10), halt_at(22));
    let notes = &report.verdict.notes;
    assert_eq!((outcome.halted.as_ref(), report.sending.events.accepted), (None, 1000));
    assert_eq!(outcome.cut_short, Some(Reason::Signal("Ctrl-C".into())));
    assert!(seconds(&outcome) < 28.0, "{}", seconds(&outcome));
    assert!(report.total.in_flight > 0 && report.total.lost == 0, "{:?}", report.total);
    assert_eq!((report.verdict.word, report.verdict.exit), (Word::Failed, 1), "as where the drain runs out");
    assert!(notes.iter().any(|note| note == "Ctrl-C: the waiting was cut short"), "{notes:?}");
    assert!(
        !notes.iter().any(|note| note.contains("the sending was stopped") || note.contains("--drain")),
        "{notes:?}"
    );

    let allowed = format!("{STEADY}[slo]\nrequire = [\"in-flight<=100%\"]\n");
    let verdict = ran_until(&allowed, slow(10), halt_at(22)).report.verdict;
    assert_eq!((verdict.word, verdict.exit), (Word::Ok, 0), "{verdict:?}");
}

#[test]
fn a_request_to_stop_before_the_first_send_gives_no_report_also_when_all_is_prepared() {
    let text = "seed = 5\nduration = \"10m\"\n[rate]\nshape = \"poisson\"\nrate = \"1/min\"\n[[event]]\ntype = \"app.assigned\"\n";
    let stopped = tried(text, Faults::default(), halt_at(6)).err().expect("it is interrupted");
    assert!(matches!(stopped, RunError::Interrupted(Reason::Signal(_))), "{stopped}");
}

#[test]
fn a_send_that_is_still_under_way_is_not_known_to_be_absent() {
    for via in ["topic", "api"] {
        let text = format!("via = \"{via}\"\n{}", STEADY.replace("app.assigned", "submission.created"));
        // Somebody asks twice, while there is something to be sent.
        let enough = Some(Duration::from_secs(11));
        let asked = tried_with(&text, hanging(), Ended { enough, ..Ended::default() }, halt_at(10));
        // Or nobody waits for anything.
        let at_once = ran(&text.replace("\"60s\"", "\"0s\""), hanging());
        for Ran { report, .. } in [asked.unwrap_or_else(|e| panic!("{e}")), at_once] {
            let way = report.sending.events;
            assert_eq!((way.not_there, way.accepted + way.unknown), (0, way.sent), "{way:?}");
            assert!(way.accepted >= 200 && way.unknown > 200, "{way:?}");
            assert!(!report.verdict.notes.iter().any(|note| note.contains("aren't there")), "{:?}", report.verdict);
        }
        // Nobody says later that it has arrived: after half a minute it never will.
        let way = ran(&text, hanging()).report.sending.events;
        assert_eq!((way.not_there, way.unknown), (way.sent - way.accepted, 0), "{way:?}");
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<&'static str>>);

impl Watcher for Heard {
    fn progress(&self, _: &Progress) {}

    fn accepted(&self, _: &[(u64, EventId)]) -> std::io::Result<()> {
        Ok(())
    }

    fn halted(&self, _: &Reason) {
        self.0.lock().unwrap().push("halted");
    }

    fn cut_short(&self, _: &Reason) {
        self.0.lock().unwrap().push("cut short");
    }
}

type Apart = fn(BoxFuture<'static, Health>) -> BoxFuture<'static, Health>;

/// A run whose generator runs so, with somebody who asks to stop at a second; what was told at once.
fn heard(apart: Apart, at: u64) -> (Report, Vec<&'static str>) {
    let scenario = scenario(STEADY);
    let mut world = World::new(scenario.seed);
    let clock = world.clock();
    let (halt, watcher) = (Arc::new(Halt::default()), Arc::new(Heard::default()));
    let setup = Setup {
        scenario: scenario.clone(),
        run: run_id(),
        target: Fake::new(clock.clone(), world.rng(), slow(10)),
        clock: Arc::new(clock.clone()),
        host: Host { courier: |target, via, clock| courier(target, via, clock), apart },
        watcher: watcher.clone(),
        halt: halt.clone(),
        enough: Stop::never(),
        switch: None,
    };
    halt_at(at)(&clock, halt);
    let (slot, heard) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
    let (result, at_once, told) = (slot.clone(), heard.clone(), watcher.clone());
    clock.later(Duration::from_secs(at) + Duration::from_millis(1), move || {
        *at_once.lock().unwrap() = Some(told.0.lock().unwrap().clone());
    });
    world.spawn(Process(1), async move {
        let outcome = run::run(setup).await;
        *result.lock().unwrap() = Some(outcome);
    });
    while world.alive(Process(1)) > 0 {
        assert!(world.step(), "the run waits for something that never comes");
    }
    let outcome = slot.lock().unwrap().take().unwrap().unwrap_or_else(|e| panic!("{e}"));
    // A run that is over by then can't have told it later.
    let told = heard.lock().unwrap().clone().unwrap_or_else(|| watcher.0.lock().unwrap().clone());
    (Report::of(&scenario, &run_id(), Place::default(), &outcome), told)
}

fn courier(target: Arc<dyn sendoff_load::target::Target>, via: sendoff_load::Via, clock: Arc<dyn Clock>) -> Courier {
    Arc::new(move |parcels| {
        let (target, clock) = (target.clone(), clock.clone());
        Box::pin(async move {
            let answers = target.send(via, &parcels).await;
            (clock.now(), answers)
        })
    })
}

#[test]
fn who_asks_to_stop_is_told_at_once_what_comes_of_it() {
    assert_eq!(heard(|generating| generating, 5).1, ["halted"]);
    assert_eq!(heard(|generating| generating, 22).1, ["cut short"]);
}

#[test]
fn a_generator_that_broke_off_is_told_as_that() {
    let (report, _) = heard(|_| Box::pin(async { Health::broken("too much") }), 3600);
    let verdict = &report.verdict;
    assert_eq!((verdict.word, verdict.exit), (Word::Invalid, 1), "{verdict:?}");
    assert!(verdict.notes[0].starts_with("the generator broke off: too much"), "{verdict:?}");
    assert!(!verdict.notes.iter().any(|note| note.contains("0 sends")), "{verdict:?}");
}
