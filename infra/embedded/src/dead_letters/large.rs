//! Events whose large bodies were put back after they were forgotten: with a letter that points to it, the event becomes known again,
//! so that its body is kept as long as a queue needs it and forgotten as all others are.

use bytes::Bytes;
use sendoff_consumers::OutgoingLetter;
use sendoff_events::{AnyEnvelope, Blobs as _, MAX_BODY_BYTES, Pointer};

use super::link;
use crate::{
    StoreError,
    blobs::FolderBlobs,
    db::{Db, folder::BLOBS},
    topics::Prepared,
};

/// For each letter, the event that its body points to, unless that is known. `None` also where there is no such body, or no event
/// in it.
pub(super) async fn events(
    db: &Db,
    blobs: &FolderBlobs,
    letters: &[OutgoingLetter],
) -> Result<Vec<Option<Prepared>>, StoreError> {
    let mut events = Vec::with_capacity(letters.len());
    for letter in letters {
        events.push(match Pointer::parse(&letter.body, &[BLOBS]) {
            Ok(Some(pointer)) if !is_known(db, &letter.body).await? => event(blobs, &pointer, &letter.body).await,
            _ => None,
        });
    }
    Ok(events)
}

async fn is_known(db: &Db, pointer: &Bytes) -> Result<bool, StoreError> {
    let Some(id) = link::id_in_pointer(pointer) else { return Ok(false) };
    Ok(db.read(move |db| link::by_id(db, id)).await?.is_some())
}

async fn event(blobs: &FolderBlobs, pointer: &Pointer, body: &Bytes) -> Option<Prepared> {
    let whole = blobs.get(&pointer.key, MAX_BODY_BYTES as u64).await.ok()?;
    let header = AnyEnvelope::decode(&whole).ok()?.header;
    Some(Prepared::of(header, body.clone()).pointing_to(whole.len()))
}
