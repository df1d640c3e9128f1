//! Carrying a scenario out against a system, from its opening to the written report.

use std::{path::PathBuf, sync::Arc};

use sendoff_consumers::Stop;
use sendoff_host::{Exit, Signals, Stopped};

use super::{
    Session,
    folder::Folder,
    host,
    place::{PlaceArgs, refused, unusable},
    screen::Screen,
};
use crate::{
    RunId,
    guards::{Halt, Reason},
    report::{Place, Report},
    run::{RunError, Setup, run},
    scenario::Scenario,
    targets,
};

/// What came out, and where the page is.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) page: PathBuf,
    /// Whether a person wants it to end.
    pub(super) is_interrupted: bool,
}

/// Opens the system, runs the scenario, and writes the report.
pub(super) async fn execute(
    session: &Session,
    place: &PlaceArgs,
    scenario: &Scenario,
    id: &RunId,
    switch: PathBuf,
) -> Result<Done, Stopped> {
    // What a guard refuses leaves no folder.
    crate::guards::check(scenario).map_err(refused)?;
    crate::guards::check_switch(&switch).map_err(refused)?;
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
    let (enough, listening) = listen(halt.clone())?;
    let here = Place::here(target.name(), &session.folder);
    let setup = Setup {
        scenario: scenario.clone(),
        run: id.clone(),
        target: target.clone(),
        clock: session.clock.clone(),
        host: host::REAL,
        watcher: screen.clone(),
        halt: halt.clone(),
        enough,
        switch: Some(switch),
    };
    let outcome = run(setup).await;
    listening.abort();
    screen.finish();
    let stopped = target.stop().await;
    let outcome = outcome.map_err(unrun)?;
    let mut report = Report::of(scenario, id, here, &outcome);
    if let Err(error) = stopped {
        report.verdict.notes.push(format!("the target didn't end as it should: {error}"));
    }
    let page = folder
        .report(&report)
        .map_err(|error| Stopped::failed(format_args!("the report can't be written: {error}\n{}", report.text())))?;
    let is_interrupted = matches!(halt.reason(), Some(Reason::Signal(_) | Reason::KillSwitch(_)));
    Ok(Done { report, page, is_interrupted })
}

/// The first request to stop ends the sending, the second one the waiting after it.
fn listen(halt: Arc<Halt>) -> Result<(Stop, tokio::task::JoinHandle<()>), Stopped> {
    let mut signals =
        Signals::listen().map_err(|error| Stopped::failed(format_args!("requests to stop can't be heard: {error}")))?;
    let (stopper, enough) = Stop::pair();
    let listening = tokio::spawn(async move {
        let name = signals.next().await;
        halt.halt(Reason::Signal(name.to_owned()));
        signals.next().await;
        stopper.stop();
        // Dropping the listener would give the signals their usual meaning back.
        std::future::pending::<()>().await;
    });
    Ok((enough, listening))
}

fn unrun(error: RunError) -> Stopped {
    match error {
        RunError::Refused(refusal) => refused(refusal),
        RunError::Target(error) => unusable(&error),
        RunError::Nobody(_) | RunError::TooMany(_) | RunError::Payload(_) => Stopped::new(Exit::Usage, error),
    }
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
