//! Whether what an event tells of has a newer version by now.

use std::collections::{BTreeMap, BTreeSet};

use sendoff_events::TenantId;
use sendoff_producers::{ReadError, RecordKey, Records, model};

use crate::letter::EventFacts;

/// The record whose version is the event's sequence, by the events' subjects: `apps/A/assignments/U`, `apps/A/submissions/S`.
/// `None` for a subject that no record is known for.
fn record(event: &EventFacts) -> Option<RecordKey> {
    let tenant: TenantId = event.tenant.parse().ok()?;
    let parts: Vec<&str> = event.subject.split('/').collect();
    match parts[..] {
        ["apps", app, "assignments", user] => {
            Some(model::assignment_key(&tenant, &app.parse().ok()?, &user.parse().ok()?))
        }
        ["apps", app, "submissions", submission] => {
            Some(model::submission_key(&tenant, &app.parse().ok()?, &submission.parse().ok()?))
        }
        _ => None,
    }
}

/// The version of each event's record, when it is newer than the event. `None` also where that can't be told: no event, no
/// sequence, no record of this subject, or one that was deleted since. Each record is read once, however many events tell of it.
pub(super) async fn newer(
    events: Vec<Option<&EventFacts>>,
    records: &dyn Records,
) -> Result<Vec<Option<u64>>, ReadError> {
    let told = |event: Option<&EventFacts>| event.and_then(|event| Some((record(event)?, event.sequence?)));
    let told: Vec<Option<(RecordKey, u64)>> = events.into_iter().map(told).collect();
    let keys: BTreeSet<&RecordKey> = told.iter().flatten().map(|(key, _)| key).collect();
    let keys: Vec<RecordKey> = keys.into_iter().cloned().collect();
    let found = records.get_all(&keys).await?;
    let versions: BTreeMap<&RecordKey, u64> =
        keys.iter().zip(&found).filter_map(|(key, found)| Some((key, found.as_ref()?.version))).collect();
    let newer = |(key, sequence): &(RecordKey, u64)| versions.get(key).copied().filter(|version| version > sequence);
    Ok(told.iter().map(|told| told.as_ref().and_then(newer)).collect())
}
