//! Looking into a queue without touching it.

use sendoff_consumers::{DeadLetter, DeadLetters};
use sendoff_host::Stopped;

use crate::snapshot::take::stopped;

/// How many letters are looked at together.
const PAGE: usize = 500;

/// Shows every letter of the queue, those too that somebody holds. Says whether a queue of this kind can be looked into.
///
/// # Errors
///
/// When the queue can't be used, or what `see` fails with.
pub async fn look(
    letters: &dyn DeadLetters,
    queue: &str,
    mut see: impl FnMut(DeadLetter) -> Result<(), Stopped>,
) -> Result<bool, Stopped> {
    let mut after = None::<String>;
    loop {
        let Some(page) = letters.read(queue, after.as_deref(), PAGE).await.map_err(stopped)? else { return Ok(false) };
        let Some(last) = page.last() else { return Ok(true) };
        after = Some(last.message_id.clone());
        page.into_iter().try_for_each(&mut see)?;
    }
}
