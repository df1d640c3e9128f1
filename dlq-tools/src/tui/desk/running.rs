//! From a plan to its run, and to what it has done.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};

use super::{Desk, shown};
use crate::{
    deployment::Access,
    run::folder::RunFolder,
    tui::{
        Console, Page, Running, Screen, State,
        live::{Steered, Teller, live},
    },
    verbs::run::{Carried, Carrying, How, begin, counts, told},
};

impl Desk<'_> {
    /// Carries out the plan that is shown as `dlq run --apply` does, or goes on with its run as `dlq resume` does.
    pub(super) async fn run(&mut self, state: &mut State, console: &mut dyn Console) -> Result<(), Stopped> {
        let plan = self.plan.as_ref().ok_or_else(|| Stopped::new(Exit::Usage, "there is no plan yet"))?;
        if let Some(Screen::Plan(shown)) = state.screen()
            && shown.hash != plan.hash()
        {
            return Err(Stopped::new(
                Exit::Refused,
                "the plan that is shown isn't the one that was made last: make it again",
            ));
        }
        let deployment = self.common.open(self.session, Access::Change).await?;
        let folder = begin(&deployment, plan).await?;
        if matches!(state.screen(), Some(Screen::Run(_))) {
            state.screens.pop();
        }
        state.screens.push(Screen::Run(Box::new(Running { name: folder.name(), ..Running::default() })));
        let how = How::because(self.wanted.because.clone());
        let leave = Arc::new(AtomicBool::new(false));
        let (teller, mut heard) = Teller::new();
        let carrying = Carrying {
            deployment: &deployment,
            folder: &folder,
            who: &self.who,
            how: &how,
            clock: &*self.session.clock,
            leave: Arc::clone(&leave),
        };
        let steered = Steered { folder: &folder, who: &self.who, leave: &leave };
        let carried = live(console, state, &steered, &mut heard, carrying.out(&teller)).await;
        self.is_leaving = leave.load(Ordering::Relaxed);
        self.failed = None;
        match carried {
            Ok(carried) => {
                report(state, &carried, &folder);
                self.last = Some((folder, carried));
            }
            Err(stopped) => {
                state.prompt = None;
                state.screens.pop();
                state.message = Some(shown(&stopped));
                self.failed = Some(stopped);
            }
        }
        Ok(())
    }
}

/// Shows what a run has done.
fn report(state: &mut State, carried: &Carried, folder: &RunFolder) {
    state.prompt = None;
    let Some(running) = state.running() else { return };
    let Carried { report, outcome, unkept, .. } = carried;
    let mut text = format!("\n{}\n{}", counts(report), told(report, folder).join("\n"));
    let failed = outcome.as_ref().err().map(ToString::to_string);
    for error in failed.into_iter().chain(unkept.as_ref().and_then(|unkept| unkept.message.clone())) {
        text.push_str(&format!("\n{}", one_line(&error)));
    }
    text.push_str("\nthe lists still show the queue as it was before: r looks anew");
    running.report = Some(Page::new("", &text));
    running.can_resume = matches!(&*report.ended, "paused" | "broken-off");
    running.asked = None;
    // What counts is what stands in the journal.
    let progress = &mut running.progress;
    progress.planned = report.planned;
    progress.sent = report.moved + report.sent_not_deleted;
    progress.skipped = report.skipped + report.gone;
    (progress.returned, progress.ambiguous, progress.waiting) = (report.returned, report.ambiguous, report.waiting);
}
