//! Which letters are shown, and which are meant.

use sendoff_embedded::program::print::one_line;
use sendoff_host::{Exit, Stopped};

use super::{Desk, patiently};
use crate::{
    select::Selection,
    tui::{Chosen, Console, Screen, State},
    verbs::source::Source,
};

impl Desk<'_> {
    /// Chooses groups and letters by the selection as it is now.
    pub(super) fn choose_anew(&mut self, state: &mut State) -> Result<(), Stopped> {
        let groups = self.look_at_groups()?;
        let mut screens = vec![Screen::Groups(groups)];
        let is_in_letters = matches!(state.screen(), Some(Screen::Letters(_)));
        if let Some(group) = self.opened.as_ref().filter(|group| is_in_letters && self.groups.contains(group)) {
            screens.push(Screen::Letters(self.look().letters(group)?));
        }
        state.screens = screens;
        state.condition = one_line(self.selection.condition.as_deref().unwrap_or_default());
        Ok(())
    }

    pub(super) async fn look_anew(&mut self, state: &mut State, console: &mut dyn Console) -> Result<(), Stopped> {
        let Self { session, common, deployment, queue, .. } = self;
        let source = Source { queue: queue.name.clone(), snapshot: None, fresh: true };
        // What it tells would be written across the screen.
        let err = std::mem::replace(&mut session.err, Box::new(std::io::sink()));
        let is_terminal = std::mem::take(&mut session.err_is_terminal);
        let snapshot =
            patiently(console, state, "looking at the queue", source.open(session, common, deployment)).await;
        (session.err, session.err_is_terminal) = (err, is_terminal);
        let Some(snapshot) = snapshot? else { return Ok(()) };
        self.snapshot = snapshot?;
        state.title = self.title()?;
        self.choose_anew(state)
    }

    /// The flags that choose these letters.
    pub(super) fn chosen(&self, chosen: &Chosen) -> Result<Selection, Stopped> {
        let group = match chosen {
            Chosen::All => return Ok(self.selection.clone()),
            Chosen::Letters(ids) => return Ok(Selection { ids: ids.clone(), ..Selection::default() }),
            Chosen::Group(at) => self.groups.get(*at),
            Chosen::OpenGroup => self.opened.as_ref(),
        };
        let group = group.ok_or_else(|| Stopped::new(Exit::NothingMatched, "there is no such group any more"))?;
        self.look().of_group(group, &self.groups)
    }
}
