//! Letters that another run has in hand, where one of the two has edited them: of an edited letter, never both are sent.

use std::{collections::HashMap, path::Path};

use sendoff_host::Stopped;

use super::{
    Ended, Stage,
    folder::{Found, RunFolder},
};
use crate::plan::{Forecast, Plan};

/// The letters of this plan, by their place, that another run of the work folder may still send, or may have sent, if it or this
/// plan has edited them; with that run's name.
///
/// # Errors
///
/// When the other runs can't be read.
pub fn elsewhere(work: &Path, own: &RunFolder, plan: &Plan) -> Result<HashMap<u32, String>, Stopped> {
    let mut found = HashMap::new();
    for other in RunFolder::all(work)?.into_iter().filter(|other| other != own) {
        let Found { plan: theirs, state, ended, .. } = other.read()?;
        let same = (&theirs.head().deployment, &theirs.head().queue) == (&plan.head().deployment, &plan.head().queue);
        if !same || !(has_edits(plan) || has_edits(&theirs)) {
            continue;
        }
        // One that had finished may have been begun again, and not have written that yet.
        let is_over = match ended {
            Some(Ended::Aborted { .. }) => true,
            Some(Ended::Finished) => other.lock()?.is_some(),
            _ => false,
        };
        for place in 0..state.len() {
            let may_be_sent = match state.stage(place) {
                Stage::Intended | Stage::Ambiguous | Stage::Sent => true,
                Stage::Waiting => !is_over,
                _ => false,
            };
            if !may_be_sent {
                continue;
            }
            let entry = theirs.entry(place)?;
            let Some(here) = plan.place(&entry.id).filter(|here| plan.sends(*here)) else { continue };
            if entry.edit.is_some() || plan.entry(here)?.edit.is_some() {
                found.insert(here, other.name());
            }
        }
    }
    Ok(found)
}

fn has_edits(plan: &Plan) -> bool {
    plan.head().forecasts.get(&Forecast::Edited).is_some_and(|count| *count > 0)
}
