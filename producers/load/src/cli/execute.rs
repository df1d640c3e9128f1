//! Carrying a scenario out against a system, from its opening to the written report.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::{Either, select};
use sendoff_host::{Exit, Stopped};

use super::{
    Session,
    folder::Folder,
    host,
    place::{PlaceArgs, refused, unusable},
    screen::Screen,
    stopping::{Stopping, Told, taken_back},
};
use crate::{
    RunId,
    guards::{self, Halt, Reason},
    report::{Place, Report, time},
    run::{RunError, Setup, run},
    scenario::Scenario,
    slo::Slo,
    target::Target,
    targets::{self, Backend},
};

/// What came out, and where the page is.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) page: PathBuf,
    /// Why it ended before its end, or the waiting after it did.
    pub(super) halted: Option<Reason>,
}

/// Opens the system, runs the scenario, and writes the report.
pub(super) async fn execute(
    session: &Session,
    place: &PlaceArgs,
    scenario: &Scenario,
    id: &RunId,
    switch: PathBuf,
    stopping: &Stopping,
) -> Result<Done, Stopped> {
    // What a guard refuses leaves no folder.
    check(session, place, scenario, &switch)?;
    let options = place.options(session, &scenario.guards.allow)?;
    let target = targets::open(&options).await.map_err(|error| unusable(&error))?;
    let folder = match Folder::make(&session.folder.join(&place.out), id) {
        Ok(folder) => Arc::new(folder),
        Err(stopped) => {
            let _ = target.stop().await;
            return Err(stopped);
        }
    };
    let screen = Arc::new(Screen::new(folder.clone(), session.err_is_terminal));
    let halt = Arc::new(Halt::default());
    let told = Told { watcher: screen.clone(), drain: scenario.drain, is_terminal: session.err_is_terminal };
    let here = Place::here(&*target, &session.folder);
    let setup = Setup {
        scenario: scenario.clone(),
        run: id.clone(),
        target: target.clone(),
        clock: session.clock.clone(),
        host: host::REAL,
        watcher: Arc::new(told),
        halt: halt.clone(),
        enough: stopping.enough(),
        switch: Some(switch),
    };
    let halting = stopping.halts(halt.clone());
    let outcome = run(setup).await;
    halting.abort();
    screen.finish();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            if let RunError::Interrupted(reason) = &error
                && !place.is_gone_afterwards()
            {
                taken_back(reason, session.err_is_terminal);
            }
            let is_clean = leaves_nothing(&error) || clear(&*target, place, id, stopping).await;
            let _ = target.stop().await;
            if is_clean {
                folder.discard();
            }
            return Err(unrun(error, id, is_clean));
        }
    };
    let stopped = target.stop().await;
    let mut report = Report::of(scenario, id, here, &outcome);
    if let Err(error) = stopped {
        report.verdict.notes.push(format!("the target didn't end as it should: {error}"));
    }
    let page = folder
        .report(&report)
        .map_err(|error| Stopped::failed(format_args!("the report can't be written: {error}\n{}", report.text())))?;
    Ok(Done { report, page, halted: outcome.halted.or(outcome.cut_short) })
}

/// Asks every guard that can be asked before anything is opened, and whether what was said fits together.
pub(super) fn check(
    session: &Session,
    place: &PlaceArgs,
    scenario: &Scenario,
    switch: &std::path::Path,
) -> Result<(), Stopped> {
    guards::check(scenario).map_err(refused)?;
    guards::check_switch(switch).map_err(refused)?;
    check_time(scenario)?;
    let options = place.options(session, &scenario.guards.allow)?;
    targets::check(&options, scenario.via).map_err(|error| unusable(&error))?;
    let standard = (options.backend == Backend::Own).then(|| Slo::standard_consumers(scenario));
    Slo::check_names(scenario, standard.as_deref()).map_err(|error| Stopped::new(Exit::Usage, error))
}

/// The longest that a run sends. Only a trace that nothing cuts can be longer.
const LONGEST: Duration = Duration::from_secs(604_800);

fn check_time(scenario: &Scenario) -> Result<(), Stopped> {
    if scenario.duration <= LONGEST {
        return Ok(());
    }
    let why = format!(
        "the trace takes {}, and a run {} at most: cut it with `duration`, or raise `rate.speed`",
        time(scenario.duration.as_secs_f64()),
        time(LONGEST.as_secs_f64())
    );
    Err(Stopped::new(Exit::Usage, why))
}

/// Whether nothing was made in the system before the run broke off.
fn leaves_nothing(error: &RunError) -> bool {
    !matches!(error, RunError::Unprepared(_) | RunError::Interrupted(_))
}

/// Takes away what was made for a run that ended before it had begun. Gives whether nothing is left.
async fn clear(target: &dyn Target, place: &PlaceArgs, id: &RunId, stopping: &Stopping) -> bool {
    if place.is_gone_afterwards() {
        return true;
    }
    match select(target.clean(id, false), stopping.enough().requested()).await {
        Either::Left((cleaned, _)) => cleaned.is_ok(),
        Either::Right(_) => false,
    }
}

fn unrun(error: RunError, id: &RunId, is_clean: bool) -> Stopped {
    let Stopped { exit, message } = match error {
        RunError::Refused(refusal) => refused(refusal),
        RunError::Unready(error) | RunError::Unprepared(error) => unusable(&error),
        RunError::Interrupted(ref reason) if reason.is_guard() => Stopped::new(Exit::Refused, error),
        RunError::Interrupted(ref reason) if reason.is_failure() => Stopped::failed(error),
        RunError::Interrupted(_) => Stopped::new(Exit::Partly, error),
        RunError::Nobody(_) | RunError::TooMany(_) | RunError::Payload(_) | RunError::Slo(_) => {
            Stopped::new(Exit::Usage, error)
        }
    };
    let left = |why: String| format!("{why}. What was made for it is still there: `load clean {id} --yes` removes it");
    Stopped { exit, message: if is_clean { message } else { message.map(left) } }
}

/// The exit code of a report.
pub(super) fn exit(report: &Report) -> Exit {
    const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Partly,
        Exit::NothingMatched,
        Exit::Refused,
        Exit::InDoubt,
        Exit::Unreachable,
    ];
    ALL.into_iter().find(|exit| *exit as u8 == report.verdict.exit).unwrap_or(Exit::Failed)
}
