//! Giving dead letters another chance.

use std::path::Path;

use sendoff_embedded::{
    Replayed, Store, StoreOptions,
    program::{Exit, Stopped, print::prose},
};

use crate::letters::select;

/// How many are moved in one transaction.
const BATCH: usize = 500;

/// Moves the dead letters with this reason back to their queue, or says what it would move.
///
/// A message that was done, or is in doubt, doesn't run again: its inbox record says so. One that failed runs with its attempts
/// counted anew.
pub(crate) async fn run(data: &Path, queue: &str, reason: Option<&str>, apply: bool) -> Result<Exit, Stopped> {
    let store = if apply { Store::open(data, StoreOptions::default())? } else { Store::open_read_only(data)? };
    let letters = select(&store, queue, reason, usize::MAX).await?;
    if letters.is_empty() {
        prose(format_args!("no dead letters of `{queue}` match"));
        return Ok(Exit::NothingMatched);
    }
    if !apply {
        prose(format_args!("{} dead letters of `{queue}` would be moved back; --apply does it", letters.len()));
        return Ok(Exit::Done);
    }
    let ids: Vec<String> = letters.into_iter().map(|letter| letter.message.message_id).collect();
    let mut moved = 0;
    for batch in ids.chunks(BATCH) {
        let results = store.replay(queue, batch).await?;
        moved += results.iter().filter(|result| **result == Replayed::Yes).count();
    }
    store.shutdown().await;
    prose(format_args!("{moved} of {} dead letters of `{queue}` were moved back", ids.len()));
    Ok(if moved == ids.len() { Exit::Done } else { Exit::Partly })
}
