//! What is counted, and how: nothing is better than it was because something is missing.

use std::{collections::BTreeSet, time::Duration};

use sendoff_load::{report::Word, slo::Phase};

use crate::{
    fake::{Again, End, Faults, Sending},
    virtually::{Ran, ran},
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"20s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

fn requiring(slos: &[&str]) -> String {
    format!("{STEADY}[slo]\nrequire = {slos:?}\n")
}

/// Whether an SLO holds, and what is told of it.
fn check<'a>(ran: &'a Ran, slo: &str) -> (bool, &'a str) {
    let found = ran.report.verdict.checks.iter().find(|check| check.slo == slo);
    let check = found.unwrap_or_else(|| panic!("{slo} is not among {:?}", ran.report.verdict.checks));
    (check.holds, &check.shown)
}

fn is_told(ran: &Ran, text: &str) -> bool {
    ran.report.verdict.notes.iter().any(|note| note.contains(text))
}

#[test]
fn a_run_most_of_which_is_refused_fails_and_says_how_much() {
    let send = |number| if number % 10 == 0 { Sending::Accepted } else { Sending::Refused };
    let refused = ran(STEADY, Faults { send: Box::new(send), ..Faults::default() });
    assert_eq!((refused.report.verdict.word, refused.report.verdict.exit), (Word::Failed, 1));
    assert_eq!(check(&refused, "refused=0"), (false, "900"));
    let text = refused.report.text();
    assert!(text.contains("events: 1000 sent = 100 accepted + 900 refused\n"), "{text}");
    assert!(text.contains("note: a send was refused: it is full"), "{text}");
    assert!(is_told(&refused, "900 of 1000 sends aren't there"), "{:?}", refused.report.verdict.notes);

    let allowed = ran(&requiring(&["refused<=90%"]), Faults { send: Box::new(send), ..Faults::default() });
    assert_eq!(allowed.report.verdict.word, Word::Ok, "{:?}", allowed.report.verdict);
}

#[test]
fn what_was_looked_for_and_is_not_there_counts_as_refused() {
    let send = |number| if number < 3 { Sending::Vanished } else { Sending::Accepted };
    let ran = ran(STEADY, Faults { send: Box::new(send), ..Faults::default() });
    assert_eq!(ran.report.verdict.word, Word::Failed);
    assert_eq!(check(&ran, "refused=0"), (false, "3"));
    let text = ran.report.text();
    assert!(text.contains("events: 1000 sent = 997 accepted + 0 refused + 3 not confirmed and not there\n"), "{text}");
    assert!(!text.contains("isn't known whether it arrived"), "that was looked up: {text}");
}

#[test]
fn what_may_be_on_its_way_is_not_known_to_be_there() {
    let send = |number| match number {
        10 => Sending::Unheard,
        990 => Sending::Vanished,
        _ => Sending::Accepted,
    };
    let faults = |believes| Faults {
        send: Box::new(send),
        finds: false,
        believes: Duration::from_secs(believes),
        ..Faults::default()
    };
    // Until the deadline, or until it is known better: nobody is told that something was lost which nobody has accepted.
    for believes in [10, 60] {
        let ran = ran(STEADY, faults(believes));
        let way = ran.report.sending.events;
        assert_eq!((way.accepted, way.found, way.unknown), (998, 1, 1), "{way:?}");
        assert_eq!((ran.report.total.lost, ran.report.verdict.word), (0, Word::InDoubt), "{:?}", ran.report.verdict);
    }
    let pace = |number, _: &str| (Duration::from_secs(if number == 10 { 25 } else { 0 }), Duration::ZERO);
    let late = ran(STEADY, Faults { pace: Box::new(pace), ..faults(30) });
    assert_eq!(late.report.sending.events.found, 1, "it is waited for");
}

fn with_repetitions(again: fn(u64) -> Again, counts: bool) -> Ran {
    let text = format!("{STEADY}[shares]\nduplicate = 0.1\n");
    ran(&text, Faults { again, counts, ..Faults::default() })
}

#[test]
fn a_repetition_that_is_dead_lettered_was_not_suppressed() {
    let dead = with_repetitions(|number| if number % 2 == 0 { Again::Dead } else { Again::Suppressed }, true);
    let total = &dead.report.total;
    assert!(total.again_dead > 40 && total.suppressed > 40, "{total:?}");
    assert_eq!((total.again_dead + total.suppressed, total.dead_lettered), (total.again, 0));
    assert!(!check(&dead, "dead-lettered=0").0);
    assert!(is_told(&dead, "repetitions are among the dead letters"));
}

#[test]
fn a_dead_letter_of_an_event_is_not_one_of_its_repetition() {
    let fate = |number, _: &str| if number % 10 == 0 { End::Dead } else { End::Done { attempts: 1 } };
    let text = format!("{STEADY}[shares]\nduplicate = 0.1\n");
    let ran = ran(&text, Faults { fate: Box::new(fate), ..Faults::default() });
    let total = &ran.report.total;
    assert!(total.dead_lettered > 100, "{total:?}");
    assert_eq!((total.again_dead, total.suppressed), (0, total.again));
}

#[test]
fn a_repetition_that_vanishes_is_lost_where_consumers_count_and_unknown_where_they_do_not() {
    let lost = with_repetitions(|number| if number % 2 == 0 { Again::Vanished } else { Again::Suppressed }, true);
    let total = &lost.report.total;
    assert!(total.lost > 40, "{total:?}");
    assert_eq!((total.lost + total.suppressed, lost.report.verdict.word), (total.again, Word::Failed));

    let unseen = with_repetitions(|_| Again::Suppressed, false);
    let total = &unseen.report.total;
    assert_eq!((total.unseen, total.suppressed, unseen.report.verdict.word), (total.again, 0, Word::Ok));
    assert!(is_told(&unseen, "nobody knows whether they were suppressed"));
    assert!(unseen.report.text().contains(" unseen + 0 lost"), "{}", unseen.report.text());
}

#[test]
fn poison_is_lost_only_where_the_queue_has_no_room_for_it() {
    let text = format!("via = \"queue\"\n{STEADY}[shares]\npoison = 0.1\n");
    // A thousand messages of others wait when the run begins, and are worked meanwhile.
    let others = |seconds: f64| if seconds < 5.0 { 1000 } else { 0 };
    let waiting = ran(&text, Faults { others, waiting_poison: 5, ..Faults::default() });
    let total = &waiting.report.total;
    assert_eq!((total.in_flight, total.lost), (10, 0), "{total:?}");
    assert!(check(&waiting, "lost=0").0 && !check(&waiting, "in-flight=0").0);
    let lost = ran(&text, Faults { others, waiting_poison: 5, lost_poison: 3, ..Faults::default() });
    let total = &lost.report.total;
    assert_eq!((total.in_flight, total.lost), (10, 6), "{total:?}");
}

#[test]
fn what_others_have_in_the_queues_is_not_taken_for_repetitions() {
    let text = format!("{STEADY}[shares]\nduplicate = 0.1\n");
    let ran = ran(&text, Faults { others: |_| 1000, counts: false, ..Faults::default() });
    let total = &ran.report.total;
    assert_eq!((total.in_flight, total.unseen), (0, total.again), "{total:?}");
}

#[test]
fn what_a_consumer_may_never_have_been_sent_is_not_slow_there() {
    let send = |number| if number == 10 { Sending::Unheard } else { Sending::Accepted };
    let fate = |number, consumer: &str| match (number, consumer) {
        (10, "webhook") => End::Lost,
        _ => End::Done { attempts: 1 },
    };
    let slo = "e2e[webhook] max<5s";
    let faults = Faults { send: Box::new(send), fate: Box::new(fate), ..Faults::default() };
    let ran = ran(&format!("via = \"queue\"\n{}", requiring(&[slo])), faults);
    assert_eq!((ran.report.total.events, ran.report.total.done), (1999, 1999));
    assert_eq!(ran.report.overall(Phase::E2e).unwrap().count, 1999);
    assert!(check(&ran, slo).0, "{:?}", check(&ran, slo));
}

#[test]
fn every_event_that_was_made_is_written_down_also_those_of_repeated_requests() {
    let text = STEADY.replace("app.assigned", "submission.created");
    let text = format!("via = \"api\"\n{text}[shares]\nduplicate = 0.3\n");
    // Every other answer is late, so that some repetitions are answered before the first.
    let answer = |call| Duration::from_millis(if call % 2 == 0 { 3000 } else { 5 });
    let ran = ran(&text, Faults { repeats: true, answer: Box::new(answer), ..Faults::default() });
    let written: BTreeSet<_> = ran.ears.accepted.lock().unwrap().iter().copied().collect();
    assert_eq!(written.len(), 1000);
    assert_eq!(written, ran.target.events());
}

#[test]
fn how_long_answers_take_changes_neither_the_offered_rate_nor_where_the_drain_begins() {
    let slow = Faults { answer: Box::new(|_| Duration::from_secs(3)), ..Faults::default() };
    let report = ran(STEADY, slow).report;
    assert!((19.9..20.0).contains(&report.sending_s), "{}", report.sending_s);
    assert!((report.rates.offered - 50.0).abs() < 0.1, "{:?}", report.rates);
    // What was sent in the last three seconds was accepted after the sending.
    assert!((report.rates.accepted - 42.5).abs() < 0.2, "{:?}", report.rates);
    let drain = report.drain_s.unwrap();
    assert!((3.0..3.2).contains(&drain), "the last one is done 3.05 s after it was sent: {drain}");
}

#[test]
fn an_event_is_done_when_all_its_consumers_are() {
    let fate = |number, consumer: &str| match consumer {
        "webhook" if number % 2 == 0 => End::Dead,
        _ => End::Done { attempts: 1 },
    };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!(ran.report.total.done, 1500);
    assert!((ran.report.rates.done - 25.0).abs() < 0.2, "half of 50/s: {:?}", ran.report.rates);
}

#[test]
fn what_is_never_claimed_makes_the_queue_wait_no_better() {
    let pace = |number, _: &str| {
        let wait = if number % 20 == 0 { 3600 } else { 0 };
        (Duration::from_secs(wait), Duration::from_millis(5))
    };
    let slos = ["in-flight<=10%", "queue p99<1h", "queue p90<1s", "queue max<2h", "queue mean>100ms", "e2e p99<1h"];
    let ran = ran(&requiring(&slos), Faults { pace: Box::new(pace), ..Faults::default() });
    let queue = ran.report.overall(Phase::Queue).unwrap();
    assert_eq!(queue.count, 2000);
    assert!(queue.p99_us >= 20_000_000, "{queue:?}");
    // It may take for ever: no upper limit holds that it reaches.
    let holds = slos.map(|slo| check(&ran, slo).0);
    assert_eq!(holds, [true, false, true, false, true, false]);
    assert!(check(&ran, "queue p99<1h").1.ends_with("100 not at their end"), "{:?}", check(&ran, "queue p99<1h"));
    assert_eq!(ran.report.overall(Phase::Handler).unwrap().count, 1900, "it never began with the others");
    assert!(is_told(&ran, "100 of queue wait"), "{:?}", ran.report.verdict.notes);
}

#[test]
fn what_never_ends_makes_the_handler_no_better() {
    let fate = |number, _: &str| if number % 20 == 0 { End::Stuck } else { End::Done { attempts: 1 } };
    let slos = ["in-flight<=10%", "handler p99<1h", "handler p90<1s", "queue p99<1s"];
    let ran = ran(&requiring(&slos), Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!(slos.map(|slo| check(&ran, slo).0), [true, false, true, true]);
    for phase in [Phase::Queue, Phase::Handler, Phase::E2e] {
        assert_eq!(ran.report.overall(phase).unwrap().count, 2000, "{phase:?}");
    }
}

#[test]
fn what_is_in_doubt_is_among_the_slowest() {
    let fate = |number, _: &str| if number == 7 { End::Doubt } else { End::Done { attempts: 1 } };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!(ran.report.overall(Phase::E2e).unwrap().count, 2000);
    assert_eq!(ran.report.verdict.word, Word::InDoubt);
}

#[test]
fn what_nobody_answered_makes_the_publish_ack_no_better() {
    let send = |number| match number % 50 {
        0 => Sending::Unheard,
        1 => Sending::Vanished,
        _ => Sending::Accepted,
    };
    let slos = ["refused<=10%", "publish p99<1h", "publish p90<1s"];
    let ran = ran(&requiring(&slos), Faults { send: Box::new(send), ..Faults::default() });
    assert_eq!(ran.report.overall(Phase::Publish).unwrap().count, 1000);
    assert_eq!(slos.map(|slo| check(&ran, slo).0), [true, false, true]);
}

#[test]
fn what_a_reader_has_to_know_of_the_way_in_stands_in_the_report() {
    let ran = ran(STEADY, Faults { remark: Some("it is noticed late"), ..Faults::default() });
    assert_eq!(ran.report.verdict.notes, ["it is noticed late"]);
    assert_eq!(ran.report.verdict.word, Word::Ok);
}
