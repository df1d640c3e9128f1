//! The report: a golden one, a page that stands by itself, and two reports beside each other.

use std::{fs, path::Path, time::Duration};

use sendoff_load::{
    compare::{Comparison, Says},
    report::{Report, Word},
    run::Sample,
    soak::{Course, drifts},
};

use crate::{
    fake::Faults,
    virtually::{Ended, ran, tried_with},
};

const SMALL: &str = "name = \"small\"\nduration = \"5s\"\ndrain = \"10s\"\n[rate]\nrate = \"20/s\"\n[[event]]\ntype = \"app.assigned\"\n\
                     [[event]]\ntype = \"submission.created\"\n[keys]\nusers = 4\n[shares]\nduplicate = 0.1\n[slo]\nrequire = [\"e2e p99<1s\"]\n";

/// Compares with a file beside the tests. `GOLDEN=write` writes it in its place.
#[expect(clippy::disallowed_methods, reason = "whoever changes the output has to be able to write it anew")]
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(text, golden, "{} differs: run with GOLDEN=write if that is meant", path.display());
}

#[test]
fn a_small_report_reads_as_it_should() {
    let report = ran(SMALL, Faults::default()).report;
    golden("report.txt", &report.text());
    let mut bare = report;
    bare.windows.parts.clear();
    bare.samples.truncate(2);
    golden("report.json", &format!("{}\n", serde_json::to_string_pretty(&bare).unwrap()));
}

#[test]
fn what_nobody_counts_is_not_told_as_holding() {
    let text = ran(SMALL, Faults { counts: false, ..Faults::default() }).report.text();
    let line = text.lines().find(|line| line.starts_with("doubled=0")).unwrap();
    assert!(line.contains("not counted") && line.trim_end().ends_with('-'), "{line}");
}

#[test]
fn a_report_that_is_written_is_read_as_the_same() {
    let report = ran(SMALL, Faults::default()).report;
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}

#[test]
fn a_report_from_before_the_highest_backlog_was_told_is_read_too() {
    let report = ran(SMALL, Faults::default()).report;
    let mut older = serde_json::to_value(&report).unwrap();
    older["usage"].as_object_mut().unwrap().remove("backlog").unwrap();
    let older: Report = serde_json::from_value(older).unwrap();
    assert_eq!((report.usage.backlog, older.usage.backlog), (Some(2), None));
    assert!(report.page().contains("At most 2 messages") && older.page().contains("At most 2 messages"));
    assert!(passes(&Comparison::of(&older, &report)));
}

#[test]
fn the_page_stands_by_itself_and_says_everything_in_words_too() {
    let mut report = ran(SMALL, Faults::default()).report;
    report.place.target = "<script>alert(1)</script> & co".into();
    let page = report.page();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"));
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("<html lang=\"en\">"));
    let count = |what: &str| page.matches(what).count();
    assert!(count("<svg ") >= 4, "{}", count("<svg "));
    assert_eq!(count("<svg "), count("role=\"img\""));
    assert_eq!(count("<svg "), count("<desc "));
    for (open, close) in [("<table>", "</table>"), ("<figure>", "</figure>"), ("<tr", "</tr>"), ("<dl>", "</dl>")] {
        assert_eq!(count(open), count(close), "{open}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf,"), "every point is a point");
}

fn slowed(by: u64, seed: u64) -> Report {
    // A different wait for each event, drawn from its number.
    let pace = move |number: u64, _: &str| {
        let wait = (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        (Duration::from_millis(5 + wait), Duration::from_millis(20 * by / 100))
    };
    let text = SMALL.replace("duration = \"5s\"", "duration = \"60s\"");
    ran(&text, Faults { pace: Box::new(pace), ..Faults::default() }).report
}

/// Whether nothing is worse by more than 10 %.
fn passes(comparison: &Comparison) -> bool {
    comparison.gate(0.1).worse.is_empty()
}

#[test]
fn a_difference_is_seen_and_none_is_made_up() {
    let (first, same, slower) = (slowed(100, 1), slowed(100, 2), slowed(200, 3));
    let same = Comparison::of(&first, &same);
    assert!(passes(&same), "{:?}", same.figures);
    let figure = |comparison: &Comparison, name: &str| {
        comparison.figures.iter().find(|figure| figure.name == name).cloned().unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(figure(&same, "end to end p50").text(), "no difference seen");
    let slower = Comparison::of(&first, &slower);
    let handler = figure(&slower, "handler p50");
    assert_eq!(handler.says, Says::Worse);
    assert!((1.9..2.1).contains(&handler.ratio.unwrap().ratio), "{handler:?}");
    assert!(!passes(&slower) && slower.warnings.is_empty(), "{:?}", slower.warnings);
    let doubled = slower.gate(0.9);
    assert!(doubled.worse.iter().any(|why| why.starts_with("handler p50: ")), "{doubled:?}");
    assert_eq!(slower.gate(1.5).worse, [""; 0], "twice as slow is 100 % worse");
    assert_eq!(figure(&slower, "queue wait p50").says, Says::Nothing);
}

#[test]
fn runs_that_cannot_be_compared_are_warned_of() {
    let first = ran(SMALL, Faults::default()).report;
    let mut second = first.clone();
    second.scenario.rate = "40/s".into();
    second.place.target = "another system".into();
    second.place.durability = Some("relaxed".into());
    second.place.build = "release".into();
    let warnings = Comparison::of(&first, &second).warnings;
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("the rate differs: `20/s` and `40/s`"));
    assert!(warnings[1].contains("the system differs: `a system in memory` and `another system`"));
    assert!(warnings[2].contains("the durability differs: `the system's own` and `relaxed`"));
}

#[test]
fn every_difference_but_that_of_name_and_seed_is_warned_of() {
    let first = ran(SMALL, Faults::default()).report;
    let of = |change: Change| {
        let mut second = first.clone();
        change(&mut second);
        Comparison::of(&first, &second).warnings
    };
    let same = of(|report| {
        report.run = "another".into();
        report.scenario.name = "another".into();
        report.scenario.seed = 9;
    });
    assert_eq!(same, [""; 0]);
    let duration = of(|report| report.scenario.duration_s = 12.0);
    assert_eq!(duration.len(), 2, "{duration:?}");
    assert!(duration[0].contains("the duration differs: `5.00 s` and `12.0 s`"), "{duration:?}");
    assert!(duration[1].starts_with("memory and backlog of runs that aren't equally long"), "{duration:?}");
    let changes: [(&str, Change); 10] = [
        ("the warm-up", |report| report.scenario.warm_up_s = 1.0),
        ("the drain", |report| report.scenario.drain_s = Some(1.0)),
        ("the size of what is oversize", |report| report.scenario.oversize_bytes = Some(1)),
        ("what has to hold", |report| drop(report.verdict.checks.pop())),
        ("from when on a send is late", |report| report.generator.late_after_us = 1),
        ("the share of late sends that is allowed", |report| report.generator.late_share = 1.0),
        ("the operating system", |report| report.place.system = "linux 6.1".into()),
        ("the version of the load test", |report| report.place.version = "9".into()),
        ("`test` was ended early", |report| report.verdict.word = Word::Partly),
        ("`test` says nothing", |report| report.verdict.word = Word::Invalid),
    ];
    for (what, change) in changes {
        let warnings = of(change);
        assert!(warnings.len() == 1 && warnings[0].starts_with(what), "{what}: {warnings:?}");
    }
    assert_eq!(of(|report| report.scenario.drain_s = None), [""; 0], "an older report doesn't tell");
    let memory = |gibibytes: u64| {
        let mut report = first.clone();
        report.place.memory = Some(gibibytes << 30);
        report
    };
    assert!(Comparison::of(&memory(8), &memory(32)).warnings[0].contains("the machine's memory differs"));
}

#[test]
fn the_ratio_is_that_of_the_values_beside_it_and_lies_within_its_interval() {
    let comparison = Comparison::of(&slowed(100, 1), &slowed(107, 2));
    let handler = comparison.figures.iter().find(|figure| figure.name == "handler p50").unwrap();
    let ratio = handler.ratio.unwrap();
    assert!(ratio.low <= ratio.ratio && ratio.ratio <= ratio.high && ratio.high / ratio.low > 1.03, "{handler:?}");
    assert!((ratio.ratio - 21.0 / 20.0).abs() < 0.002, "{handler:?}");
}

#[test]
fn the_axes_of_the_page_can_be_read() {
    let page = ran(SMALL, Faults::default()).report.page();
    let labels: Vec<&str> = page.split("</text>").filter_map(|part| part.rsplit('>').next()).collect();
    assert!(labels.contains(&"p0") && labels.contains(&"p90"), "{labels:?}");
    assert!(!labels.contains(&"p99"), "a hundred values don't bear it: {labels:?}");
    // Along the time axis of throughput a label stands where it says.
    let throughput = page.split("</figure>").next().unwrap();
    let places: Vec<(f64, f64)> = throughput
        .split("<text x=\"")
        .filter(|part| part.contains("text-anchor=\"middle\""))
        .filter_map(|part| {
            let label = part.split('<').next()?.rsplit('>').next()?;
            Some((part.split('"').next()?.parse().ok()?, label.parse().ok()?))
        })
        .collect();
    let second = places[1].0 - places[0].0;
    assert!(places.len() > 2, "{places:?}");
    for (x, label) in &places {
        assert!((x - places[0].0 - label / places[1].1 * second).abs() < 0.3, "{places:?}");
    }
}

#[test]
fn a_commit_is_told_where_one_is_known() {
    let mut report = ran(SMALL, Faults::default()).report;
    assert!(!report.page().contains("checked out here"));
    report.place.commit = Some("0123456789ab".into());
    assert!(report.page().contains("<dt>checked out here</dt><dd>0123456789ab</dd>"));
}

/// What makes a report worse.
type Change = fn(&mut Report);

#[test]
fn whatever_became_worse_makes_the_second_run_worse() {
    let first = ran(SMALL, Faults::default()).report;
    let worse: [(&str, Change); 8] = [
        ("refused", |report| report.sending.events.refused = 1),
        ("refused", |report| report.sending.events.not_there = 1),
        ("lost", |report| report.total.lost = 150),
        ("doubled", |report| report.total.doubled = Some(1)),
        ("dead-lettered", |report| report.total.dead_lettered = 150),
        ("in flight", |report| report.total.in_flight = 1),
        ("verdict", |report| report.verdict.word = Word::Failed),
        ("doubled", |report| report.total.doubled = None),
    ];
    for (name, change) in worse {
        let mut second = first.clone();
        change(&mut second);
        let comparison = Comparison::of(&first, &second);
        let figures: Vec<_> = comparison.figures.iter().filter(|figure| figure.says == Says::Worse).collect();
        assert_eq!(figures.iter().map(|figure| &*figure.name).collect::<Vec<_>>(), [name]);
        assert!(!passes(&comparison) && passes(&Comparison::of(&second, &first)), "{name}");
        assert_eq!(comparison.gate(10.0).worse.len(), 1, "{name}: what was counted is exact");
    }
}

#[test]
fn a_gate_tolerates_what_differs_by_little() {
    let memory = |mebibytes: u64| {
        let mut report = ran(SMALL, Faults::default()).report;
        let bytes = mebibytes << 20;
        report.samples.iter_mut().for_each(|sample| sample.memory = Some(bytes));
        report.usage.memory = Some(bytes);
        report
    };
    let gate = |first, second| Comparison::of(&memory(first), &memory(second)).gate(0.1).worse;
    assert_eq!(gate(72, 73), [""; 0]);
    assert_eq!(gate(20, 26), [""; 0], "that is less than a tenth of 64 MiB");
    let both =
        |told: &str| [format!("resident memory, on average: {told}"), format!("resident memory at its peak: {told}")];
    assert_eq!(gate(20, 27), both("20 MiB and 27 MiB, worse by 11 % at least"));
    assert_eq!(gate(100, 120), both("100 MiB and 120 MiB, worse by 20 % at least"));
}

#[test]
fn a_run_that_stops_delivering_is_slower_than_one_that_goes_on() {
    let report = |delivering: usize| {
        let mut report = ran(SMALL, Faults::default()).report;
        report.sending_s = 60.0;
        report.done.width_s = 1;
        report.done.counts = vec![100; delivering];
        report
    };
    let comparison = Comparison::of(&report(60), &report(10));
    let done = comparison.figures.iter().find(|figure| figure.name == "deliveries done a second").unwrap();
    assert_eq!((done.first.as_deref(), done.second.as_deref()), (Some("100.0"), Some("16.7")));
    assert_eq!(done.says, Says::Worse);
}

#[test]
fn memory_is_compared_while_events_are_sent_and_at_its_peak() {
    let report = |mebibytes: &[u64], peak: u64| {
        let mut report = ran(SMALL, Faults::default()).report;
        report.sending_s = 59.5;
        let sample = |(at, mebibytes): (usize, &u64)| Sample {
            at: at as f64,
            memory: Some(mebibytes << 20),
            ..Sample::default()
        };
        report.samples = mebibytes.iter().enumerate().map(sample).collect();
        report.usage.memory = Some(peak << 20);
        report
    };
    let steady = report(&[500; 60], 500);
    // Ten minutes of waiting at little memory don't make the sending any better.
    let heavy = report(&[&[1000; 60][..], &[100; 600]].concat(), 1000);
    assert_eq!(
        Comparison::of(&steady, &heavy).gate(0.1).worse,
        [
            "resident memory, on average: 500 MiB and 1000 MiB, worse by 100 % at least",
            "resident memory at its peak: 500 MiB and 1000 MiB, worse by 100 % at least"
        ]
    );
    let mut peaking = steady.clone();
    peaking.usage.memory = Some(1000 << 20);
    let gate = |first, second| Comparison::of(first, second).gate(0.1);
    let told = ["resident memory at its peak: 500 MiB and 1000 MiB, worse by 100 % at least"];
    assert_eq!(gate(&steady, &peaking).worse, told);
    assert_eq!(gate(&peaking, &steady).worse, [""; 0]);
    // One value in each run: what is a little more is no difference.
    peaking.usage.memory = Some(540 << 20);
    let comparison = Comparison::of(&steady, &peaking);
    let peak = comparison.figures.iter().find(|figure| figure.name == "resident memory at its peak").unwrap();
    assert_eq!((peak.text(), peak.ratio), ("no difference seen", None));
    assert!(comparison.gate(0.0).worse.is_empty());
}

#[test]
fn a_millisecond_more_or_less_is_what_the_clocks_of_a_system_cannot_tell_apart() {
    let report = |work| {
        let pace = move |_, _: &str| (Duration::from_millis(5), Duration::from_millis(work));
        ran(SMALL, Faults { pace: Box::new(pace), ..Faults::default() }).report
    };
    let slower = |work| Comparison::of(&report(5), &report(work)).gate(0.1).worse;
    assert_eq!(slower(6), [""; 0]);
    assert!(slower(7).iter().any(|why| why.starts_with("handler p50: 5.00 ms and 7.00 ms")), "{:?}", slower(7));
}

#[test]
fn what_a_gate_cannot_see_it_says() {
    let runs = |second: &str, events| {
        let text = |rate: &str| SMALL.replace("20/s", rate).replace("duplicate = 0.1", "duplicate = 0");
        let (first, second) = (ran(&text("20/s"), Faults::default()), ran(&text(second), Faults::default()));
        assert_eq!(second.report.sending.events.sent, events);
        Comparison::of(&first.report, &second.report).gate(0.1)
    };
    let gate = runs("20/s", 100);
    assert!(gate.unknown.contains(&"end to end p99 (takes 1000 in each run)".into()), "{gate:?}");
    assert!(!gate.unknown.iter().any(|name| name.contains("p90")), "100 are enough: {gate:?}");
    assert!(gate.rare.contains(&"end to end max".into()) && gate.rare.contains(&"handler p99.9".into()), "{gate:?}");
    let gate = runs("10/s", 50);
    assert!(gate.unknown.contains(&"publish ack p90 (takes 100 in each run)".into()), "{gate:?}");

    for silent in [Word::Invalid, Word::Unasked] {
        let mut slow = ran(SMALL, Faults::default()).report;
        slow.verdict.word = silent;
        let gate = Comparison::of(&slow, &slow).gate(0.1);
        assert!(gate.unknown.contains(&"verdict".into()), "a run that says nothing: {gate:?}");
    }
}

#[test]
fn a_figure_that_the_second_run_lacks_is_worse() {
    let first = ran(SMALL, Faults::default()).report;
    let mut second = first.clone();
    second.latencies.clear();
    second.windows.parts.clear();
    let comparison = Comparison::of(&first, &second);
    let latency = comparison.figures.iter().find(|figure| figure.name == "end to end p99").unwrap();
    assert_eq!((latency.text(), &latency.second), ("worse: missing", &None));
    assert!(!passes(&comparison) && passes(&Comparison::of(&second, &first)));
}

#[test]
fn a_run_that_is_too_short_to_show_a_trend_is_not_flat() {
    let short = ran(&SMALL.replace("duration = \"5s\"", "duration = \"3s\""), Faults::default()).report;
    for drift in drifts(&short) {
        assert_eq!(drift.course, Course::Unknown, "{drift:?}");
        assert!(drift.course.fails());
    }
    let mut silent = short;
    silent.usage.memory = None;
    assert!(!drifts(&silent)[0].course.fails(), "what a system doesn't tell can't be asked for");
}

#[test]
fn memory_that_creeps_up_is_seen_and_a_quiet_one_is_left_alone() {
    let text = SMALL.replace("duration = \"5s\"", "duration = \"10m\"").replace("20/s", "2/s");
    let quiet = ran(&text, Faults::default()).report;
    assert!(drifts(&quiet).iter().all(|drift| drift.course == Course::Flat), "{:?}", drifts(&quiet));
    let leak = |seconds: f64| (100 << 20) + (seconds * 100_000.0) as u64;
    let leaking = ran(&text, Faults { memory: leak, ..Faults::default() }).report;
    let creeping: Vec<_> =
        drifts(&leaking).into_iter().filter(|drift| drift.course != Course::Flat).map(|drift| drift.what).collect();
    assert_eq!(creeping, ["memory"]);
}

#[test]
fn what_creeps_up_in_a_soak_test_fails_it() {
    let text = SMALL.replace("duration = \"5s\"", "duration = \"10m\"").replace("20/s", "2/s");
    let leak = |seconds: f64| (100 << 20) + (seconds * 100_000.0) as u64;
    let soaked = |memory: fn(f64) -> u64| {
        let (faults, ended) = (Faults { memory, ..Faults::default() }, Ended { soak: true, ..Ended::default() });
        tried_with(&text, faults, ended, |_, _| {}).unwrap().report
    };
    let leaking = soaked(leak);
    let check =
        |report: &Report| report.verdict.checks.iter().find(|check| check.slo == "memory flat").cloned().unwrap();
    assert_eq!((leaking.verdict.word, check(&leaking).word()), (Word::Failed, "no"));
    assert!(leaking.text().contains("memory flat") && leaking.page().contains("memory flat"));
    let quiet = soaked(|_| 100 << 20);
    assert_eq!((quiet.verdict.word, check(&quiet).word()), (Word::Ok, "yes"));
}
