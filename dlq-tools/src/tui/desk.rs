//! The driver: it performs what keys wish.

mod choosing;
mod planning;
mod running;

use std::pin::pin;

use futures::future::{Either, select};
use ratatui::crossterm::event::{Event, KeyCode, KeyModifiers};
use sendoff_consumers::DeadLetterQueue;
use sendoff_embedded::program::print::one_line;
use sendoff_events::{Timestamp, at_millis};
use sendoff_host::{Exit, Stopped};

use super::{Console, Rows, Screen, State, Wish, load::Look};
use crate::{
    Session,
    deployment::{Access, Deployment},
    plan::Plan,
    redact::Redact,
    run::folder::RunFolder,
    select::{Selection, moment},
    snapshot::Snapshot,
    verbs::{
        Common, ended,
        groups::Key,
        plan::Wanted,
        run::Carried,
        source::{find_queue, letters},
        tui::Args,
    },
};

/// What is on it.
pub(crate) struct Desk<'a> {
    session: &'a mut Session,
    common: &'a Common,
    who: String,
    deployment: Deployment,
    queue: DeadLetterQueue,
    snapshot: Snapshot,
    selection: Selection,
    wanted: Wanted,
    redact: Redact,
    /// The groups, as they stand in the list.
    groups: Vec<Key>,
    /// The group whose letters are shown.
    opened: Option<Key>,
    plan: Option<Plan>,
    /// The last run, and what became of it.
    last: Option<(RunFolder, Carried)>,
    /// Why nothing is known of what the last run has done.
    failed: Option<Stopped>,
    is_leaving: bool,
}

impl<'a> Desk<'a> {
    /// Opens the deployment and the snapshot; tells what that takes as the other verbs do.
    ///
    /// # Errors
    ///
    /// When they can't be had.
    pub(crate) async fn open(session: &'a mut Session, common: &'a Common, args: Args) -> Result<Self, Stopped> {
        let who = common.who(session)?;
        let Args { source, mut selection, wanted, show_personal } = args;
        // What is shown and what is planned later is relative to the same moment.
        let now = session.clock.now();
        for (flag, text) in [("--since", &mut selection.since), ("--until", &mut selection.until)] {
            if let Some(relative) = text {
                *relative = moment(flag, relative, now)?.to_string();
            }
        }
        let deployment = common.open(session, Access::Look).await?;
        let queue = find_queue(&deployment, &source.queue).await?;
        let snapshot = source.open(session, common, &deployment).await?;
        Ok(Self {
            session,
            common,
            who,
            deployment,
            queue,
            snapshot,
            selection,
            wanted,
            redact: Redact::new(!show_personal),
            groups: Vec::new(),
            opened: None,
            plan: None,
            last: None,
            failed: None,
            is_leaving: false,
        })
    }

    /// Shows it all, until whoever looks has seen enough.
    ///
    /// # Errors
    ///
    /// When nothing can be shown.
    pub(crate) async fn show(&mut self, console: &mut dyn Console) -> Result<(), Stopped> {
        let mut state = State { title: self.title()?, ..State::default() };
        let groups = self.look_at_groups()?;
        state.screens.push(Screen::Groups(groups));
        state.condition = one_line(self.selection.condition.as_deref().unwrap_or_default());
        while !self.is_leaving {
            console.show(&mut state)?;
            let Some(event) = console.event().await else { return Ok(()) };
            let Event::Key(key) = event else { continue };
            let wish = state.update(key);
            if wish == Wish::Quit {
                return Ok(());
            }
            if let Err(stopped) = self.perform(wish, &mut state, console).await {
                state.busy = None;
                state.message = Some(shown(&stopped));
            }
        }
        Ok(())
    }

    /// Says what the last run has done, when the terminal is as it was before.
    ///
    /// # Errors
    ///
    /// When the run failed.
    pub(crate) fn end(self) -> Result<Exit, Stopped> {
        let mut exit = Ok(Exit::Done);
        if let Some((folder, carried)) = self.last {
            let told = crate::verbs::run::tell(self.session, self.common, &carried.report, &folder);
            exit = match carried.exit() {
                Ok(exit) => ended(self.session, told, exit),
                failed => failed,
            };
        }
        // What the screen said of it may have been seen by nobody.
        self.failed.map_or(exit, Err)
    }

    fn look(&self) -> Look<'_> {
        let Self { snapshot, selection, redact, .. } = self;
        Look { snapshot, selection, redact, clock: &*self.session.clock }
    }

    fn title(&self) -> Result<String, Stopped> {
        let taken = self.snapshot.taken();
        let count = letters(self.snapshot.count()?);
        let at: Timestamp = at_millis(taken.begun_at);
        Ok(format!(" {}   {count} as of {}", one_line(&taken.queue), at.strftime("%Y-%m-%d %H:%M:%S UTC")))
    }

    fn look_at_groups(&mut self) -> Result<Rows, Stopped> {
        let (groups, rows) = self.look().groups()?;
        self.groups = groups;
        Ok(rows)
    }

    async fn perform(&mut self, wish: Wish, state: &mut State, console: &mut dyn Console) -> Result<(), Stopped> {
        match wish {
            Wish::Letters(at) => {
                let Some(group) = self.groups.get(at).cloned() else { return Ok(()) };
                state.screens.push(Screen::Letters(self.look().letters(&group)?));
                self.opened = Some(group);
            }
            Wish::Letter(id) => state.screens.push(Screen::Letter(self.look().letter(&id)?)),
            Wish::Where(condition) => {
                let before =
                    std::mem::replace(&mut self.selection.condition, Some(condition).filter(|c| !c.is_empty()));
                if let Err(stopped) = self.choose_anew(state) {
                    self.selection.condition = before;
                    return Err(stopped);
                }
            }
            Wish::Fresh => self.look_anew(state, console).await?,
            Wish::Plan(chosen) => self.make_plan(&chosen, state, console).await?,
            Wish::Run => self.run(state, console).await?,
            // The others are about a run that goes on, and heard there.
            _ => {}
        }
        Ok(())
    }
}

/// Why something was stopped, as it is shown.
fn shown(stopped: &Stopped) -> String {
    one_line(stopped.message.as_deref().unwrap_or_default())
}

/// Waits for what may take long; `None` when whoever waits has given up.
async fn patiently<T>(
    console: &mut dyn Console,
    state: &mut State,
    what: &'static str,
    work: impl Future<Output = T>,
) -> Result<Option<T>, Stopped> {
    state.busy = Some(what);
    console.show(state)?;
    let given_up = async {
        loop {
            match console.event().await {
                Some(Event::Key(key)) if key.code == KeyCode::Esc => return,
                Some(Event::Key(key)) if key.modifiers.contains(KeyModifiers::CONTROL) => return,
                Some(_) => {}
                None => return,
            }
        }
    };
    let done = match select(pin!(work), pin!(given_up)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    };
    state.busy = None;
    Ok(done)
}
