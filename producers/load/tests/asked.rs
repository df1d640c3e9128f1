//! Asking a system that can't be asked for a while, or for ever, or takes long to answer: what is known stays known, and a run ends
//! when it should.

use std::time::Duration;

use sendoff_load::report::Word;

use crate::{
    fake::{Faults, Sending},
    virtually::{Ended, Ran, halt_at, ran, tried_with},
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"60s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

fn seconds(ran: &Ran) -> f64 {
    ran.outcome.ended.duration_since(ran.outcome.started).as_secs_f64()
}

fn is_told(ran: &Ran, text: &str) -> bool {
    ran.report.verdict.notes.iter().any(|note| note.contains(text))
}

/// A run whose waiting somebody ends after so many seconds.
fn enough_at(text: &str, faults: Faults, seconds: u64) -> Ran {
    let ended = Ended { enough: Some(Duration::from_secs(seconds)), ..Ended::default() };
    tried_with(text, faults, ended, halt_at(seconds - 1)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_system_that_can_be_asked_again_before_the_deadline_is() {
    let ran = ran(STEADY, Faults { fails: |seconds| (19.0..30.5).contains(&seconds), ..Faults::default() });
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::Ok, 0), "{:?}", ran.report.verdict);
    assert_eq!(ran.report.total.done, 2000);
    assert_eq!(ran.report.usage.stored, Some(1 << 20));
}

#[test]
fn a_system_that_can_never_be_asked_again_leaves_a_report_of_what_is_known() {
    let text = format!("via = \"queue\"\n{STEADY}[shares]\npoison = 0.1\nduplicate = 0.1\n");
    let ran = ran(&text, Faults { fails: |seconds| seconds > 10.0, price: 0.0001, ..Faults::default() });
    let (report, total) = (&ran.report, &ran.report.total);
    assert_eq!(report.verdict.exit, 7, "{:?}", report.verdict);
    let told =
        "the system couldn't be asked: asking a system in memory: its credentials have expired. What wasn't known";
    assert!(report.verdict.notes[0].starts_with(told), "{:?}", report.verdict);
    assert!(!is_told(&ran, "--drain") && !is_told(&ran, "weren't counted"), "{:?}", report.verdict);
    assert!(report.text().contains("test: the system couldn't be asked at the end\n"), "{}", report.text());
    assert_eq!(report.sending.sent(), 1000);
    // Of the first eight seconds everything is known.
    assert!((500..900).contains(&total.done), "{total:?}");
    assert_eq!((total.lost, total.in_flight, report.drain_s), (0, total.sent() - total.done, None), "{total:?}");
    assert!(total.poison > 100 && total.again > 100, "{total:?}");
    // What it used, as far as that was ever known.
    assert_eq!(report.usage.stored, Some(1 << 20));
    assert!(report.usage.cost.is_some_and(|cost| cost > 0.04), "{:?}", report.usage);
    assert!((80.0..90.0).contains(&seconds(&ran)), "{}", seconds(&ran));
}

#[test]
fn repetitions_that_the_api_has_answered_are_known_without_asking() {
    let text =
        format!("via = \"api\"\n{}[shares]\nduplicate = 0.1\n", STEADY.replace("app.assigned", "submission.created"));
    let ran = ran(&text, Faults { fails: |seconds| seconds > 10.0, ..Faults::default() });
    let total = &ran.report.total;
    assert_eq!((total.suppressed, total.lost, ran.report.verdict.exit), (total.again, 0, 7), "{total:?}");
}

#[test]
fn what_nobody_answered_for_is_asked_for_in_batches() {
    let faults = |believes| Faults {
        send: Box::new(|number| if number == 700 { Sending::Unheard } else { Sending::Vanished }),
        finds: false,
        believes: Duration::from_secs(believes),
        ..Faults::default()
    };
    let once = ran(STEADY, faults(0));
    let way = once.report.sending.events;
    assert_eq!((way.sent, way.found, way.unknown), (1000, 1, 999), "{way:?}");
    assert!(once.target.looks() <= 10, "{}", once.target.looks());
    // It may be on its way for ten seconds: that is asked twice a second.
    let again = ran(STEADY, faults(10));
    assert_eq!(again.report.sending.events.unknown, 999);
    assert!(again.target.looks() <= 120, "{}", again.target.looks());
}

/// A system that takes a second to answer whatever it is asked, and has answered no send.
fn slow() -> Faults {
    Faults {
        send: Box::new(|_| Sending::Vanished),
        finds: false,
        believes: Duration::from_secs(3600),
        looking: Duration::from_secs(1),
        ..Faults::default()
    }
}

#[test]
fn a_look_that_takes_long_ends_at_the_deadline() {
    let ran = ran(&STEADY.replace("\"60s\"", "\"6s\""), slow());
    assert_eq!(ran.report.sending.events.unknown, 1000);
    assert!((26.0..35.0).contains(&seconds(&ran)), "{}", seconds(&ran));
}

#[test]
fn whoever_has_waited_enough_waits_no_more_than_seconds() {
    // Four thousand sends are 16 looks, each a second.
    let text = STEADY.replace("50/s", "200/s").replace("\"60s\"", "\"10m\"");
    let looking = enough_at(&text, slow(), 40);
    assert_eq!(looking.report.sending.events.unknown, 4000);
    assert!((40.0..50.0).contains(&seconds(&looking)), "{}", seconds(&looking));
    assert!(is_told(&looking, "nobody waited for the last look at the system"), "{:?}", looking.report.verdict);
}

#[test]
fn whoever_has_waited_enough_waits_for_no_answers_to_sends() {
    let silent = Faults { answer: Box::new(|_| Duration::from_secs(3600)), ..Faults::default() };
    let sending = enough_at(STEADY, silent, 25);
    assert_eq!(sending.report.sending.events.unknown, 1000, "they may be under way still");
    assert!((23.0..30.0).contains(&seconds(&sending)), "{}", seconds(&sending));
}

#[test]
fn whoever_has_waited_enough_waits_for_no_look_that_began_while_events_were_sent() {
    let following = enough_at(STEADY, Faults { looking: Duration::from_secs(3600), ..Faults::default() }, 10);
    let total = &following.report.total;
    assert_eq!((total.in_flight, total.lost), (total.sent(), 0), "{total:?}");
    assert_eq!(following.report.verdict.exit, 1, "they are in flight: {:?}", following.report.verdict);
    assert!((9.0..20.0).contains(&seconds(&following)), "{}", seconds(&following));
}
