//! Whole runs in virtual time: nothing is skipped, every mishap is noticed, and the account always adds up.

use std::{fs, time::Duration};

use proptest::prelude::*;
use sendoff_events::Clock as _;
use sendoff_load::{guards::Reason, report::Word, run::RunError, scenario::Kind, slo::Phase};

use crate::{
    fake::{CONSUMERS, End, Fake, Faults, Sending},
    virtually::{Ended, Ran, halt_at, ran, ran_until, tried, tried_with},
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"20s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

fn with(more: &str) -> String {
    format!("{STEADY}{more}")
}

fn check(ran: &Ran, slo: &str) -> bool {
    let found = ran.report.verdict.checks.iter().find(|check| check.slo == slo);
    found.unwrap_or_else(|| panic!("{slo} is not among {:?}", ran.report.verdict.checks)).holds
}

fn sent(ran: &Ran) -> usize {
    ran.target.calls().iter().map(|(_, count)| count).sum()
}

#[test]
fn a_good_system_is_ok_and_everything_is_measured() {
    let ran = ran(
        &with("[slo]\nrequire = [\"e2e p99<1s\", \"throughput>=49/s\", \"drain<5s\", \"memory<1GiB\"]\n"),
        Faults::default(),
    );
    let report = &ran.report;
    assert_eq!((report.verdict.word, report.verdict.exit), (Word::Ok, 0), "{:?}", report.verdict);
    assert_eq!((report.sending.events.sent, report.sending.events.accepted), (1000, 1000));
    assert_eq!((report.total.events, report.total.done, report.total.lost), (2000, 2000, 0));
    // The answer comes after 5 ms, the claim 20 ms after the arrival, the end 30 ms later.
    let overall = |phase| report.overall(phase).unwrap();
    assert!((5_000..7_000).contains(&overall(Phase::Publish).p50_us), "{:?}", overall(Phase::Publish));
    assert!((19_000..21_500).contains(&overall(Phase::Queue).p50_us), "{:?}", overall(Phase::Queue));
    assert!((29_900..30_100).contains(&overall(Phase::Handler).max_us), "{:?}", overall(Phase::Handler));
    assert!((55_000..57_500).contains(&overall(Phase::E2e).p9999_us), "{:?}", overall(Phase::E2e));
    assert_eq!(overall(Phase::E2e).count, 2000);
    assert!(report.latencies.iter().any(|l| l.consumer.as_deref() == Some("webhook") && l.kind.is_some()));
    assert!(report.samples.len() >= 20, "once a second: {}", report.samples.len());
    assert_eq!(report.done.counts.iter().sum::<u64>(), 2000);
    assert_eq!(ran.ears.accepted.lock().unwrap().len(), 1000, "every accepted event is told");
    assert_eq!(ran.target.prepared().len(), 100);
    assert!((report.rates.offered - 50.0).abs() < 0.5 && (report.rates.done - 50.0).abs() < 1.0, "{:?}", report.rates);
}

#[test]
fn a_slow_system_is_sent_everything_at_its_moment_and_latency_counts_from_there() {
    // Every answer takes 3 s: a closed loop would send three and wait.
    let faults = Faults { answer: Box::new(|_| Duration::from_secs(3)), ..Faults::default() };
    let ran = ran(STEADY, faults);
    let calls = ran.target.calls();
    assert_eq!(sent(&ran), 1000);
    for (number, (at, _)) in calls.iter().enumerate() {
        let due = ran.outcome.started + Duration::from_millis(20 * number as u64);
        assert!((0..=1).contains(&at.duration_since(due).as_millis()), "call {number} at {at}, due {due}");
    }
    assert!(ran.report.generator.is_good());
    assert!(ran.report.overall(Phase::Publish).unwrap().p50_us >= 3_000_000);
    assert_eq!(ran.report.generator.most_outstanding, 150);
}

#[test]
fn what_is_due_in_the_same_millisecond_goes_in_one_call_and_never_later() {
    let text = STEADY.replace("50/s", "5000/s").replace("duration = \"20s\"", "duration = \"2s\"");
    let ran = ran(&text, Faults::default());
    assert_eq!(sent(&ran), 10_000);
    let most = ran.target.calls().iter().map(|(_, count)| *count).max();
    assert!((5..=10).contains(&most.unwrap()), "{most:?}");
    assert!(ran.report.generator.max_us <= 1_000, "{:?}", ran.report.generator);
}

#[test]
fn a_lost_delivery_is_noticed_and_named() {
    let fate =
        |number, consumer: &str| if number == 7 && consumer == "email" { End::Lost } else { End::Done { attempts: 1 } };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::Failed, 1));
    assert_eq!(ran.report.total.lost, 1);
    assert_eq!((ran.report.lost.len(), ran.report.lost[0].number), (1, 7));
    assert_eq!(ran.report.lost[0].consumer, "email");
    assert!(!check(&ran, "lost=0"));
    assert_eq!(ran.report.drain_s, None, "what is lost never ends");
}

#[test]
fn a_repetition_that_had_its_effect_again_is_noticed() {
    let duplicates = with("[shares]\nduplicate = 0.1\n");
    let good = ran(&duplicates, Faults::default());
    assert_eq!(good.report.verdict.word, Word::Ok);
    assert!(good.report.total.suppressed > 100, "{:?}", good.report.total);
    assert_eq!(good.report.total.suppressed, good.report.total.again);

    let bad = ran(&duplicates, Faults { repeats: true, ..Faults::default() });
    assert_eq!(bad.report.verdict.exit, 1);
    assert!(!check(&bad, "doubled=0"));
    assert_eq!((bad.report.total.suppressed, bad.report.total.repeated), (0, bad.report.total.again));
}

#[test]
fn a_repeated_request_that_makes_another_event_is_noticed_without_any_sink() {
    let text = STEADY.replace("app.assigned", "submission.created");
    let text = format!("via = \"api\"\n{text}[shares]\nduplicate = 0.1\n");
    let good = ran(&text, Faults { counts: false, ..Faults::default() });
    assert_eq!(good.report.verdict.exit, 0, "{:?}", good.report.verdict);
    assert!(check(&good, "doubled=0"));
    assert!(good.report.verdict.notes[0].contains("weren't counted"));
    let bad = ran(&text, Faults { counts: false, repeats: true, ..Faults::default() });
    assert_eq!(bad.report.verdict.exit, 1);
    assert!(bad.report.total.doubled.unwrap() > 100);
}

#[test]
fn answers_from_an_earlier_run_fail_it_and_their_times_are_no_latencies() {
    let text = format!("via = \"api\"\n{}", STEADY.replace("app.assigned", "submission.created"));
    let ran = ran(&text, Faults { answers_are_old: true, ..Faults::default() });
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::Failed, 1), "{:?}", ran.report.verdict);
    let told = |text| ran.report.verdict.notes.iter().any(|note| note.contains(text));
    assert!(told("1000 accepted events are older than the run"), "{:?}", ran.report.verdict.notes);
    assert!(told("2000 deliveries were done before they were sent"), "{:?}", ran.report.verdict.notes);
    assert_eq!(ran.report.overall(Phase::E2e), None);
}

#[test]
fn a_request_to_stop_before_the_first_send_ends_it_without_a_report() {
    let stopped = tried(STEADY, Faults::default(), |_, halt| halt.halt(Reason::Signal("Ctrl-C".into())));
    let error = stopped.err().expect("it is interrupted");
    assert!(matches!(error, RunError::Interrupted(Reason::Signal(_))), "{error}");
}

#[test]
fn dead_letters_are_counted_and_only_poison_may_be_one() {
    let fate = |number, _: &str| if number % 100 == 0 { End::Dead } else { End::Done { attempts: 1 } };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!((ran.report.total.dead_lettered, ran.report.verdict.exit), (20, 1));
    assert!(!check(&ran, "dead-lettered=0"));
    assert_eq!(ran.report.total.retries, 80, "four attempts after the first one, each");
}

#[test]
fn dead_letters_may_be_allowed() {
    let fate = |number, _: &str| if number % 100 == 0 { End::Dead } else { End::Done { attempts: 1 } };
    let faults = Faults { fate: Box::new(fate), ..Faults::default() };
    let ran = ran(&with("[slo]\nrequire = [\"dead-lettered<=1%\"]\n"), faults);
    assert_eq!(ran.report.verdict.word, Word::Ok, "{:?}", ran.report.verdict);
}

#[test]
fn poison_has_to_be_dead_lettered_and_a_lost_one_is_noticed() {
    let text = format!("via = \"queue\"\n{STEADY}[shares]\npoison = 0.1\n");
    let good = ran(&text, Faults::default());
    assert_eq!(good.report.verdict.word, Word::Ok, "{:?}", good.report.verdict);
    assert!(good.report.total.poison_dead > 100);
    assert_eq!(good.report.total.poison_dead, good.report.total.poison);
    let bad = ran(&text, Faults { lost_poison: 3, ..Faults::default() });
    assert_eq!((bad.report.total.lost, bad.report.verdict.exit), (3 * CONSUMERS.len() as u64, 1));
}

#[test]
fn doubt_remains_doubt_and_has_its_own_exit_code() {
    let fate = |number, consumer: &str| match (number, consumer) {
        (3 | 4, "email") => End::Doubt,
        _ => End::Done { attempts: 1 },
    };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::InDoubt, 6));
    assert_eq!(ran.report.total.in_doubt, 2);
    assert!(ran.report.drain_s.is_some(), "nothing is in flight");
}

#[test]
fn what_never_ends_is_in_flight_at_the_deadline_and_counts_as_slow() {
    let fate = |number, _: &str| if number == 999 { End::Stuck } else { End::Done { attempts: 1 } };
    let ran = ran(STEADY, Faults { fate: Box::new(fate), ..Faults::default() });
    assert_eq!((ran.report.total.in_flight, ran.report.verdict.exit), (2, 1));
    assert!(!check(&ran, "in-flight=0"));
    assert!(ran.report.verdict.notes.iter().any(|note| note.contains("a longer --drain than")));
    let slowest = ran.report.overall(Phase::E2e).unwrap();
    assert_eq!(slowest.count, 2000, "a percentile isn't better because the slowest are missing");
    assert!(slowest.max_us >= 20_000_000, "{slowest:?}");
}

#[test]
fn sends_that_nobody_answered_are_looked_for() {
    let send = |number| match number {
        10 => Sending::Unheard,
        20 => Sending::Vanished,
        30 => Sending::Refused,
        _ => Sending::Accepted,
    };
    let text = with("[slo]\nrequire = [\"refused<=2\"]\n");
    let found = ran(&text, Faults { send: Box::new(send), ..Faults::default() });
    let way = found.report.sending.events;
    assert_eq!((way.accepted, way.found, way.not_there, way.refused, way.unknown), (997, 1, 1, 1, 0));
    assert_eq!(found.report.total.done, 2 * 998);
    assert_eq!(found.report.verdict.word, Word::Ok, "{:?}", found.report.verdict);
    assert_eq!(found.report.troubles, ["a send wasn't confirmed: the line broke", "a send was refused: it is full"]);

    // Where nothing can be found by its number, whoever knows of it has got it, and of the other nobody can tell.
    let blind = ran(&text, Faults { send: Box::new(send), finds: false, ..Faults::default() });
    let way = blind.report.sending.events;
    assert_eq!((way.accepted, way.found, way.not_there, way.unknown), (997, 1, 0, 1));
    assert_eq!((blind.report.verdict.word, blind.report.verdict.exit), (Word::InDoubt, 6));
}

#[test]
fn an_slo_that_is_missed_fails_the_run_and_the_figure_is_told() {
    let pace = |_, consumer: &str| {
        let work = if consumer == "email" { 2000 } else { 10 };
        (Duration::from_millis(1), Duration::from_millis(work))
    };
    let slo = "[slo]\nrequire = [\"e2e p99<1s\", \"e2e[webhook] p99<1s\", \"handler[app.assigned] p50<1s\"]\n";
    let ran = ran(&with(slo), Faults { pace: Box::new(pace), ..Faults::default() });
    assert_eq!(ran.report.verdict.exit, 1);
    let holds: Vec<bool> = ran.report.verdict.checks.iter().skip(5).map(|check| check.holds).collect();
    assert_eq!(holds[..2], [false, true]);
    assert!(ran.report.verdict.checks[5].shown.starts_with("2.0"), "{:?}", ran.report.verdict.checks[5]);
}

#[test]
fn events_that_overtake_each_other_are_counted_within_their_subject() {
    let one = with("[keys]\nusers = 1\napps = 1\n");
    let in_order = ran(&one, Faults::default());
    assert_eq!((in_order.report.total.ordered, in_order.report.total.reordered), (2000, 0));
    // Every tenth takes so long that the next one is done before it.
    let pace =
        |number, _: &str| (Duration::from_millis(1), Duration::from_millis(if number % 10 == 0 { 35 } else { 5 }));
    let faults = Faults { pace: Box::new(pace), ..Faults::default() };
    let overtaken = ran(&one, faults);
    assert_eq!(overtaken.report.total.reordered, 200, "100 at each consumer");
    // Submissions are each about themselves.
    let alone = ran(&one.replace("app.assigned", "submission.created"), Faults::default());
    assert_eq!(alone.report.total.ordered, 0);
}

#[test]
fn a_late_generator_makes_the_run_invalid() {
    // Less than a tick may not be late, so nothing but zero can be missed in virtual time.
    let text =
        with("[generator]\nlate_after = \"0s\"\n").replace("50/s", "3000/s").replace("\"20s\"\ndrain", "\"2s\"\ndrain");
    let ran = ran(&text, Faults::default());
    assert!(ran.report.generator.late > 0);
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::Invalid, 1));
    assert!(ran.report.verdict.notes.iter().any(|note| note.contains("the generator was too slow")));
}

#[test]
fn a_request_to_stop_ends_the_sending_and_still_gives_a_report() {
    let ran = ran_until(STEADY, Faults::default(), halt_at(5));
    let sent = ran.report.sending.events.sent;
    assert!((230..=250).contains(&sent), "{sent}");
    assert_eq!(ran.report.total.done, 2 * sent, "what was sent is followed to its end");
    assert_eq!((ran.report.verdict.word, ran.report.verdict.exit), (Word::Partly, 3));
}

#[test]
fn guards_end_the_sending() {
    let cost = ran(&with("[guards]\nmax_cost = 0.5\n"), Faults { price: 0.001, ..Faults::default() });
    assert!((500..=560).contains(&cost.report.sending.events.sent), "{}", cost.report.sending.events.sent);
    assert_eq!((cost.report.verdict.word, cost.report.verdict.exit), (Word::Stopped, 5));
    assert!(matches!(cost.outcome.halted, Some(Reason::Cost(_))));
    assert!(cost.report.usage.cost_per_million.is_some_and(|cost| (999.0..1001.0).contains(&cost)));

    let never = Faults { answer: Box::new(|_| Duration::from_secs(3600)), ..Faults::default() };
    let full = ran(&with("[guards]\nmax_outstanding = 100\n"), never);
    assert_eq!(full.report.sending.events.sent, 101);
    assert_eq!(full.outcome.halted, Some(Reason::Outstanding(100)));
    assert_eq!(full.report.sending.events.not_there, 101, "nobody answered, and nothing is there");
}

#[test]
fn guards_end_the_sending_within_a_second_also_while_the_system_does_not_answer() {
    let hanging = || Faults { measuring: Duration::from_secs(175), price: 0.001, ..Faults::default() };
    let cost = ran(&with("[guards]\nmax_cost = 0.25\n"), hanging());
    assert!((250..=300).contains(&cost.report.sending.events.sent), "{}", cost.report.sending.events.sent);
    assert!(matches!(cost.outcome.halted, Some(Reason::Cost(_))));

    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("STOP");
    let (text, there) = (with("[guards]\nmax_cost = 100\n"), switch.clone());
    let pulled = tried_with(&text, hanging(), Ended { switch: Some(switch), ..Ended::default() }, |clock, _| {
        clock.later(Duration::from_secs(5), move || fs::write(there, "").unwrap());
    });
    let pulled = pulled.unwrap_or_else(|e| panic!("{e}"));
    assert!((240..=300).contains(&pulled.report.sending.events.sent), "{}", pulled.report.sending.events.sent);
    assert!(matches!(pulled.outcome.halted, Some(Reason::KillSwitch(_))));
    let accepted = pulled.ears.accepted.lock().unwrap().len() as u64;
    assert_eq!(accepted, pulled.report.sending.events.sent, "all of them are written down");
}

#[test]
fn a_run_that_nobody_listens_to_is_refused() {
    let text = STEADY.replace("app.assigned", "workflow.step");
    let error = tried(&text, Faults::default(), |_, _| {}).err().expect("it is refused");
    assert!(matches!(error, RunError::Nobody("workflow.step")), "{error}");
    assert_eq!(Kind::WorkflowStep.word(), "workflow.step");
}

#[test]
fn what_could_never_be_measured_is_refused_before_anything_is_sent() {
    for (slo, told) in [
        ("e2e[emial] p50<1s", "did you mean `email`?"),
        ("publish[email] p50<1s", "what is published has no consumer yet"),
        ("handler[app.unassigned] p50<1s", "did you mean `app.assigned`?"),
    ] {
        let tried = tried(&with(&format!("[slo]\nrequire = [\"{slo}\"]\n")), Faults::default(), |_, _| {});
        let error = tried.err().expect("it is refused");
        assert!(matches!(error, RunError::Slo(_)) && error.to_string().contains(told), "{error}");
    }
}

#[test]
fn the_system_is_asked_in_batches_and_while_events_are_sent() {
    let ran = ran(STEADY, Faults::default());
    // Looked at two seconds behind: at the end of the sending nearly all is known already.
    let last = ran.ears.last.lock().unwrap().clone();
    assert_eq!((last.counts.ended, last.counts.expected), (2000, 2000));
    assert!(ran.report.drain_s.unwrap() < 2.0, "{:?}", ran.report.drain_s);
    let _: &Fake = &ran.target;
    assert!(ran.outcome.ended > ran.outcome.started && ran.target.calls()[0].0 >= ran.outcome.started);
}

#[test]
fn the_clock_of_a_run_is_that_of_the_test() {
    let world = sendoff_tests::simulation::World::new(1);
    assert_eq!(world.clock().now(), world.clock().now(), "time stands still while nothing waits");
}

/// A mishap for each delivery, by its number.
fn mishap(seed: u64, number: u64, consumer: &str) -> End {
    let hash = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(consumer.len() as u64 * 77)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        >> 56;
    match hash {
        0..8 => End::Lost,
        8..16 => End::Dead,
        16..24 => End::Doubt,
        24..32 => End::Stuck,
        n => End::Done { attempts: 1 + (n % 3) as u32 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // `ran` itself checks that every account adds up; here each part of it is counted besides.
    #[test]
    fn whatever_goes_wrong_each_delivery_is_counted_as_what_it_became(
        seed: u64, duplicate in 0.0..0.3_f64, finds: bool, slow in 0_u64..3000,
    ) {
        let text = format!("seed = {}\nduration = \"4s\"\ndrain = \"20s\"\n[rate]\nrate = \"40/s\"\n[[event]]\ntype = \"app.assigned\"\n\
                            [[event]]\ntype = \"submission.created\"\n[shares]\nduplicate = {duplicate:.3}\n", seed % 1000);
        let send = move |number: u64| match (seed ^ number) % 23 {
            0 => Sending::Refused,
            1 => Sending::Unheard,
            2 => Sending::Vanished,
            _ => Sending::Accepted,
        };
        let faults = Faults {
            fate: Box::new(move |number, consumer| mishap(seed, number, consumer)),
            send: Box::new(send),
            pace: Box::new(move |number, _| (Duration::from_millis(number * 7 % 50), Duration::from_millis(slow * (number % 5)))),
            finds,
            ..Faults::default()
        };
        let ran = ran(&text, faults);
        let report = &ran.report;
        prop_assert_eq!(report.sending.events.sent + report.sending.again.sent, 160);
        // What arrived is counted here too, from what the system was sent.
        let arrived: Vec<u64> = ran.target.arrived();
        let expected = |end: &dyn Fn(End) -> bool| -> u64 {
            arrived.iter().flat_map(|n| CONSUMERS.map(|c| mishap(seed, *n, c))).filter(|e| end(*e)).count() as u64
        };
        prop_assert_eq!(report.total.done, expected(&|end| matches!(end, End::Done { .. })));
        prop_assert_eq!(report.total.dead_lettered, expected(&|end| end == End::Dead));
        prop_assert_eq!(report.total.in_doubt, expected(&|end| end == End::Doubt));
        prop_assert!(report.total.in_flight >= expected(&|end| end == End::Stuck));
        prop_assert!(report.total.lost <= expected(&|end| end == End::Lost));
        prop_assert_eq!(report.total.events, arrived.len() as u64 * 2 - unseen(seed, finds, &arrived));
        prop_assert!(report.verdict.exit != 0 || report.total.lost + report.total.in_flight == 0);
    }
}

/// Deliveries of events that nobody answered for, nobody can find, and no consumer knows of: they count as not sent.
fn unseen(seed: u64, finds: bool, arrived: &[u64]) -> u64 {
    let is_unheard = |number: &&u64| (seed ^ **number) % 23 == 1;
    let all_lost = |number: &&u64| CONSUMERS.iter().all(|c| mishap(seed, **number, c) == End::Lost);
    if finds { 0 } else { 2 * arrived.iter().filter(is_unheard).filter(all_lost).count() as u64 }
}
