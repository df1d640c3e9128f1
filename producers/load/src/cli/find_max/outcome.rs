//! What a search comes to: what a step says about its rate, and how the search is shown and ends.

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};

use crate::{
    cli::execute::{Done, exit},
    find_max::{Early, Ladder, Step, shown},
    guards::Reason,
    report::{Report, Word},
};

/// The rates that were tried, for people.
pub(super) fn steps(steps: &[Step]) -> String {
    let has_backlog = steps.iter().any(|step| step.backlog > 0);
    let rows = steps.iter().map(|step| {
        let holds = match step.holds {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let (rate, why, run) = (shown(step.rate), step.why.clone(), step.run.clone());
        (rate, holds.to_owned(), step.backlog.to_string(), why, run)
    });
    if has_backlog {
        let rows = rows.map(|(rate, holds, backlog, why, run)| [rate, holds, backlog, why, run]);
        table(["rate", "holds", "backlog before", "why", "run"], rows)
    } else {
        table(["rate", "holds", "why", "run"], rows.map(|(rate, holds, _, why, run)| [rate, holds, why, run]))
    }
}

/// The exit code of a search.
pub(super) fn ended(ladder: &Ladder, early: Option<&Early>) -> Exit {
    let found = if ladder.best().is_some() { Exit::Done } else { Exit::Failed };
    match early {
        // As where it goes up to the highest rate that it may.
        Some(Early::Limit(_)) if found == Exit::Done => Exit::Done,
        Some(early) => early.exit(),
        // As a run whose generator was too slow.
        None if ladder.capped_by().is_some() => Exit::Failed,
        None => found,
    }
}

/// Why the search ends where a step couldn't be done.
pub(super) fn stopped_early(stopped: Stopped) -> Result<Early, Stopped> {
    match (stopped.exit, &stopped.message) {
        (Exit::Partly, Some(why)) => Ok(Early::Interrupted(why.clone())),
        (Exit::Refused, Some(why)) => Ok(Early::Guard(why.clone())),
        _ => Err(stopped),
    }
}

/// Why the search ends where a step was ended; none where that says something about the rate.
pub(super) fn halted(done: &Done, rate: f64) -> Result<Option<Early>, Stopped> {
    let Done { report, page, .. } = done;
    if report.verdict.word == Word::Unasked {
        let why = report.verdict.notes.first().cloned().unwrap_or_default();
        return Err(Stopped::new(
            exit(report),
            format_args!("at {} {why}. The report is in {}", shown(rate), page.display()),
        ));
    }
    Ok(match &done.halted {
        Some(reason) if reason.is_failure() => return Err(Stopped::failed(reason)),
        Some(reason @ Reason::Signal(_)) => Some(Early::Interrupted(reason.to_string())),
        // More on its way in than may be: the system doesn't take so much.
        Some(Reason::Outstanding(_)) | None => None,
        Some(reason) => Some(Early::Guard(format!("at {} {reason}", shown(rate)))),
    })
}

/// What didn't hold, or how well it went.
pub(super) fn why(report: &Report) -> String {
    if report.verdict.word == Word::Invalid {
        return "the generator was too slow".into();
    }
    let missed: Vec<String> =
        report.verdict.checks.iter().filter(|c| !c.holds).map(|c| format!("{} was {}", c.slo, c.shown)).collect();
    if !missed.is_empty() {
        return missed.join(", ");
    }
    if report.verdict.word != Word::Ok {
        return report.verdict.notes.first().cloned().unwrap_or_else(|| report.verdict.word.text().into());
    }
    report.verdict.checks.last().map(|check| format!("{} was {}", check.slo, check.shown)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_could_not_ask_the_system_says_nothing_about_its_rate() {
        let report = serde_json::from_str(include_str!("../../../tests/golden/report.json")).unwrap();
        let mut done = Done { report, page: "report.html".into(), halted: None };
        assert_eq!(halted(&done, 40.0).ok(), Some(None));
        let verdict = &mut done.report.verdict;
        (verdict.word, verdict.exit, verdict.notes) = (Word::Unasked, 7, vec!["it couldn't be asked".into()]);
        let stopped = halted(&done, 40.0).err().unwrap();
        assert_eq!(stopped.exit, Exit::Unreachable);
        assert_eq!(stopped.message.unwrap(), "at 40.0/s it couldn't be asked. The report is in report.html");
    }

    fn tried(steps: &[(f64, Word, u64)]) -> Ladder {
        let mut ladder = Ladder::new(40.0, 10_000.0, 0.1, 1.0);
        for (rate, verdict, backlog) in steps {
            ladder.tried(Step::new("search-1", *rate, *verdict, "why".into(), *backlog));
        }
        ladder
    }

    #[test]
    fn a_search_that_the_generator_ends_isnt_a_good_one() {
        let good = tried(&[(40.0, Word::Ok, 0), (44.0, Word::Failed, 0)]);
        assert_eq!(ended(&good, None), Exit::Done);
        let capped = tried(&[(40.0, Word::Ok, 0), (80.0, Word::Invalid, 0), (80.0, Word::Invalid, 0)]);
        assert_eq!(ended(&capped, None), Exit::Failed);
        assert_eq!(ended(&good, Some(&Early::Backlog(Some(7)))), Exit::Partly);
        assert_eq!(ended(&good, Some(&Early::Limit("it is enough".into()))), Exit::Done);
    }

    #[test]
    fn a_backlog_is_shown_where_there_is_one() {
        let none = tried(&[(40.0, Word::Ok, 0), (80.0, Word::Invalid, 0)]);
        assert_eq!(
            steps(none.steps()),
            "rate    holds    why  run\n40.0/s  yes      why  search-1\n80.0/s  unknown  why  search-1\n"
        );
        let some = tried(&[(40.0, Word::Ok, 0), (80.0, Word::Failed, 12)]);
        assert_eq!(
            steps(some.steps()),
            "rate    holds  backlog before  why  run\n40.0/s  yes    0               why  search-1\n\
             80.0/s  no     12              why  search-1\n"
        );
    }
}
