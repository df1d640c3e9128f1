//! Whether a run is good.

use sendoff_host::Exit;

use super::{
    build::time,
    measured::Measured,
    model::{Check, Report, Verdict, Word},
    text::way,
};
use crate::{
    guards::Reason,
    reconcile::{Ledger, Unasked},
    run::Outcome,
    scenario::Scenario,
    slo::{Metric, Phase, Slo, What},
    soak::{Drift, drifts},
};

/// The verdict on a run.
pub(super) fn verdict(scenario: &Scenario, report: &Report, ledger: &Ledger, outcome: &Outcome) -> Verdict {
    let mut notes = Vec::new();
    let mut checks: Vec<Check> = Slo::with_defaults(&scenario.slo)
        .iter()
        .map(|slo| check(slo, scenario.slo.contains(slo), report, ledger, &mut notes))
        .collect();
    if scenario.soak {
        checks.extend(drifts(report).into_iter().map(flat));
    }
    let unasked = outcome.settled.unasked.as_ref();
    if let Some(why) = unasked {
        // What the sinks have counted wasn't asked for either.
        notes = vec![format!("{why}. What wasn't known by then counts as in flight")];
    }
    let halted = outcome.halted.as_ref();
    notes.extend(halted.map(ToString::to_string));
    notes.extend(outcome.cut_short.as_ref().map(cut_short));
    if let Some(why) = &report.generator.broke_off {
        notes.push(format!("the generator broke off: {why}. The figures say nothing about the system"));
    } else if !report.generator.is_good() {
        notes.push(format!(
            "{} of {} sends were more than {} late, more than {} %: the generator was too slow, and the figures say nothing about \
             the system",
            report.generator.late,
            report.generator.sent,
            time(report.generator.late_after_us as f64 / 1e6),
            report.generator.late_share * 100.0
        ));
    }
    if report.total.sent() != report.total.accounted() {
        notes.push("the account doesn't add up: that is a mistake of the load test itself".into());
    }
    let unknown = report.sending.unknown();
    if unknown > 0 {
        notes.push(format!("of {unknown} sends nobody knows whether they arrived"));
    }
    if report.total.in_doubt > 0 {
        notes.push(format!("{} deliveries are in doubt: see `sendoff doubt ls`", report.total.in_doubt));
    }
    let counts = ledger.counts();
    if counts.old > 0 {
        notes.push(format!(
            "{} accepted events are older than the run: its requests were answered by what an earlier run of the same name has done",
            counts.old
        ));
    }
    if counts.early > 0 {
        notes.push(format!(
            "{} deliveries were done before they were sent, as the clocks have it: how long they took wasn't measured",
            counts.early
        ));
    }
    if report.total.sent() == 0 {
        notes.push("nothing arrived".into());
    }
    // The first note is the reason for a verdict that no check explains: these come last.
    notes.extend(missing(scenario, report, ledger, outcome));
    notes.extend(outcome.remark.map(str::to_owned));

    let is_lost = report.total.lost > 0 || report.total.sent() != report.total.accounted();
    let broken = halted.is_some_and(Reason::is_failure);
    let failed = broken || counts.old > 0 || report.total.sent() == 0 || checks.iter().any(|check| !check.holds);
    let (word, exit) = if is_lost {
        (Word::Failed, Exit::Failed)
    } else if matches!(unasked, Some(Unasked::Failed(_))) {
        (Word::Unasked, Exit::Unreachable)
    } else if halted.is_some_and(Reason::is_guard) {
        (Word::Stopped, Exit::Refused)
    } else if !report.generator.is_good() {
        (Word::Invalid, Exit::Failed)
    } else if failed {
        (Word::Failed, Exit::Failed)
    } else if unknown > 0 || report.total.in_doubt > 0 {
        (Word::InDoubt, Exit::InDoubt)
    } else if halted.is_some() {
        (Word::Partly, Exit::Partly)
    } else {
        (Word::Ok, Exit::Done)
    };
    Verdict { word, exit: exit as u8, checks, notes }
}

/// The sending was over by then: nothing of it was ended.
fn cut_short(by: &Reason) -> String {
    match by {
        Reason::Signal(name) => format!("{name}: the waiting was cut short"),
        _ => "the waiting was cut short".into(),
    }
}

/// What wasn't sent, didn't arrive, or isn't known to have come to its end.
fn missing(scenario: &Scenario, report: &Report, ledger: &Ledger, outcome: &Outcome) -> Vec<String> {
    let (sending, total) = (&report.sending, &report.total);
    let mut notes = Vec::new();
    if scenario.left_out() > 0 {
        notes.push(format!("{} moments of the trace come after `duration`: they weren't sent", scenario.left_out()));
    }
    if sending.not_accepted() > 0 {
        notes.push(format!(
            "{} of {} sends aren't there: {}",
            sending.not_accepted(),
            sending.sent(),
            way(&sending.all())
        ));
    }
    let open = Phase::ALL.map(|phase| (ledger.latencies().open(phase), phase));
    let open: Vec<String> = open
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, phase)| format!("{count} of {}", phase.title()))
        .collect();
    if !open.is_empty() {
        notes.push(format!(
            "what wasn't at its end counts with the time that it took so far, and keeps no upper limit: {}",
            open.join(", ")
        ));
    }
    if total.in_flight > 0 && outcome.settled.unasked.is_none() && outcome.cut_short.is_some() {
        notes.push(format!("{} deliveries were in flight when nobody waited for them any more", total.in_flight));
    } else if total.in_flight > 0 && outcome.settled.unasked.is_none() {
        notes.push(format!(
            "{} deliveries were in flight at the end: a longer --drain than {} tells what becomes of them",
            total.in_flight,
            time(scenario.drain.as_secs_f64())
        ));
    }
    if total.again_dead > 0 {
        notes.push(format!("{} repetitions are among the dead letters", total.again_dead));
    }
    if total.unseen > 0 {
        notes.push(format!(
            "of {} repetitions nobody knows whether they were suppressed: they stand in no queue and among no dead letters, and \
             what is passed over isn't counted in another process",
            total.unseen
        ));
    }
    notes
}

/// Whether something stays as it is; the value is its change in a second.
fn flat(drift: Drift) -> Check {
    let Drift { what, trend, shown, course } = drift;
    Check { slo: format!("{what} flat"), value: trend.map(|trend| trend.slope), shown, holds: !course.fails() }
}

fn check(slo: &Slo, is_said: bool, report: &Report, ledger: &Ledger, notes: &mut Vec<String>) -> Check {
    let (value, shown, holds) = match Measured::of(slo, report, ledger) {
        Some(Measured { value, shown, holds }) => (Some(value), shown, holds),
        // What nobody counts can only fail a run that asked for it.
        None if matches!(slo.metric, Metric::Count { what: What::Doubled, .. }) => {
            notes.push("effects that happened twice weren't counted: no sink of this target counts them".into());
            (None, "not counted".into(), !is_said)
        }
        None => (None, "nothing measured".into(), false),
    };
    Check { slo: slo.text.clone(), value, shown, holds }
}
