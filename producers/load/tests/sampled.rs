//! How a run was, second by second: whose memory it is, how long runs are kept in mind, and what couldn't be asked for.

use std::time::Duration;

use sendoff_load::soak::{Course, Drift, drifts};

use crate::{
    fake::Faults,
    virtually::{Ran, ran},
};

const STEADY: &str =
    "duration = \"20s\"\ndrain = \"20s\"\n[rate]\nrate = \"50/s\"\n[[event]]\ntype = \"app.assigned\"\n";

const MIB: u64 = 1 << 20;

fn drift(ran: &Ran, what: &str) -> Drift {
    drifts(&ran.report).into_iter().find(|drift| drift.what == what).unwrap()
}

#[test]
fn the_memory_of_another_process_never_held_what_the_load_test_keeps() {
    let there = ran(STEADY, Faults { here: false, ..Faults::default() });
    for sample in &there.report.samples {
        assert_eq!(sample.memory, Some(100 * MIB), "at {} s", sample.at);
    }
    assert_eq!(there.report.usage.memory, Some(100 * MIB));
    let here = ran(STEADY, Faults::default());
    let last = here.report.samples.last().unwrap().memory.unwrap();
    assert!(last < 100 * MIB, "a thousand events are remembered in this process: {last}");
}

#[test]
fn a_day_takes_no_more_memory_than_ten_minutes_and_its_peak_is_that_of_a_second() {
    // It grows by 100 MiB in a day, and is at 900 MiB for a second.
    fn memory(seconds: f64) -> u64 {
        let is_spike = (40_001.0..40_002.0).contains(&seconds);
        if is_spike { 900 * MIB } else { 100 * MIB + (seconds / 86_400.0 * (100 * MIB) as f64) as u64 }
    }
    fn others(seconds: f64) -> u64 {
        if (40_001.0..40_002.0).contains(&seconds) { 3000 } else { 10 }
    }
    let text = STEADY.replace("\"20s\"\ndrain", "\"24h\"\ndrain").replace("50/s", "0.1/h");
    let ran = ran(&text, Faults { here: false, memory, others, ..Faults::default() });
    assert!((300..=601).contains(&ran.outcome.samples.len()), "{}", ran.outcome.samples.len());
    let samples = &ran.report.samples;
    assert!((300..=601).contains(&samples.len()), "{}", samples.len());
    let steps: Vec<f64> = samples.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    let (last, steps) = steps.split_last().unwrap();
    assert!(steps.iter().all(|step| (step - steps[0]).abs() < 1.0) && *last <= steps[0] + 1.0, "{steps:?}, {last}");
    assert_eq!(ran.report.usage.memory, Some(900 * MIB));
    assert!(ran.report.page().contains("At most 6000 messages in all queues together."));
    assert_eq!(samples.last().unwrap().sent, ran.report.sending.events.sent, "the last one is the end");
    // The trend is that of the whole day.
    let memory = drift(&ran, "memory");
    let trend = memory.trend.unwrap();
    let (a_day, beginning) = (trend.slope * 86_400.0 / MIB as f64, trend.beginning / MIB as f64);
    assert!((90.0..110.0).contains(&a_day) && (100.0..125.0).contains(&beginning), "{memory:?}");
    assert_eq!((memory.course, drift(&ran, "backlog").course), (Course::Creeping, Course::Flat));
}

/// The lines of a page that are called so.
fn curves<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let title = format!("<title>{name}</title>");
    page.split("<polyline").skip(1).filter(|part| part.contains(&title)).collect()
}

#[test]
fn a_backlog_that_could_not_be_asked_for_is_not_empty() {
    // Asked for once before the first send, and never answered in time afterwards.
    let faults = || Faults { measuring: Duration::from_secs(175), others: |_| 1000, ..Faults::default() };
    let hanging = ran(STEADY, faults());
    let backlog = drift(&hanging, "backlog");
    assert_eq!((backlog.course, backlog.trend), (Course::Unknown, None), "{backlog:?}");
    assert!(backlog.shown.starts_with("1 points are too few") && backlog.course.fails(), "{backlog:?}");
    let page = hanging.report.page();
    let [curve] = &curves(&page, "email")[..] else { panic!("{page}") };
    assert_eq!(curve.matches(',').count(), 2, "one answer is a line from a point to itself: {curve}");
    assert!(page.contains("At most 2000 messages in all queues together."));
    assert_eq!(hanging.ears.last.lock().unwrap().backlog, None);

    // What fails is no more known than what is late.
    let failing = ran(STEADY, Faults { fails: |seconds| (3.0..17.0).contains(&seconds), ..Faults::default() });
    let known = |at: f64| failing.report.samples.iter().find(|sample| sample.at >= at).unwrap().backlog();
    assert!(known(1.0).is_some() && known(5.0).is_none() && known(18.0).is_some());
    assert_eq!(drift(&failing, "backlog").course, Course::Unknown, "six points");
    let page = failing.report.page();
    assert_eq!(curves(&page, "email").len(), 2, "nothing is drawn across what isn't known: {page}");
}
