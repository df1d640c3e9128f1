//! From chosen letters to a plan on the screen.

use sendoff_host::{Exit, Stopped};

use super::{Desk, patiently};
use crate::{
    plan::{Head, Plan},
    tui::{Chosen, Console, Page, Planned, Screen, State},
    verbs::plan::{Made, NONE_SENT, NOT_ASKED, Planning, forecasts, subscribers, told},
};

impl Desk<'_> {
    /// Makes a plan as `dlq plan` does, and shows it.
    pub(super) async fn make_plan(
        &mut self,
        chosen: &Chosen,
        state: &mut State,
        console: &mut dyn Console,
    ) -> Result<(), Stopped> {
        let selection = self.chosen(chosen)?;
        let Self { deployment, queue, snapshot, wanted, .. } = &*self;
        let planning = Planning { deployment, queue, snapshot, selection: &selection, wanted, by: self.who.clone() };
        let made = patiently(console, state, "planning", planning.make(&*self.session.clock, None)).await?;
        let (page, hash) = match made.transpose()? {
            None => return Ok(()),
            Some(Made::Plan(plan)) => {
                let shown = (text(&plan), plan.hash().to_owned());
                self.plan = Some(*plan);
                shown
            }
            Some(Made::NoLetter) => {
                return Err(Stopped::new(Exit::NothingMatched, "no letter fits: there is nothing to plan"));
            }
            Some(Made::NoneSent(head)) => (left(&head, &[], NONE_SENT), String::new()),
            Some(Made::NotAsked(head)) => (left(&head, &subscribers(&head), NOT_ASKED), String::new()),
        };
        state.screens.push(Screen::Plan(Planned { page: Page::new("", &page), hash }));
        Ok(())
    }
}

fn text(plan: &Plan) -> String {
    format!("{}\n{}", forecasts(plan.head()), told(plan).join("\n"))
}

/// What is shown of letters that aren't sent.
fn left(head: &Head, more: &[String], why: &str) -> String {
    let more: String = more.iter().map(|line| format!("{line}\n")).collect();
    format!("{}\n{more}{why}", forecasts(head))
}
