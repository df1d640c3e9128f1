//! Whether what an event tells of has a newer version by now.

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

/// The version of the event's record, when it is newer than the event. `None` also where that can't be told: no sequence, no
/// record of this subject, or one that was deleted since.
pub(super) async fn newer(event: Option<&EventFacts>, records: &dyn Records) -> Result<Option<u64>, ReadError> {
    let Some((event, sequence)) = event.and_then(|event| Some((event, event.sequence?))) else { return Ok(None) };
    let Some(key) = record(event) else { return Ok(None) };
    let record = records.get(&key).await?;
    Ok(record.map(|record| record.version).filter(|version| *version > sequence))
}
