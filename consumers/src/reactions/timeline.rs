//! A timeline per app: who did what when.

use std::sync::Arc;

use sendoff_events::BoxFuture;
use sendoff_producers::{
    CommitError, Expected, RecordKey, Records, UnitOfWork, Write,
    api::TIMELINE,
    model::{App, Assignment, Stored, Submission},
};
use serde_json::json;

use crate::{Change, Classify, HandlerError, Reaction, ReactionContext};

/// Writes an entry for each change of an app, of its assignments and of its submissions.
///
/// An entry, its id included, is made from its change alone, and written only if it isn't there yet. So the timeline comes
/// out the same whatever is repeated and in whatever order changes arrive. It names records and people by id and shows no
/// contents.
pub struct Timeline {
    /// Where the entries go.
    pub records: Arc<dyn Records>,
}

impl Reaction for Timeline {
    fn name(&self) -> &'static str {
        "timeline"
    }

    fn react<'a>(&'a self, change: &'a Change, _: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            match entry(change)? {
                Some(entry) => self.write(change, entry).await,
                None => Ok(()),
            }
        })
    }
}

impl Timeline {
    async fn write(&self, change: &Change, entry: Write) -> Result<(), HandlerError> {
        let work = UnitOfWork::new(change.key.tenant.clone(), self.name(), change.at).write(entry).without_events();
        match self.records.commit(work).await {
            // It stands there already: the change was seen before.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error @ (CommitError::Unavailable(_) | CommitError::NotCommitted(_))) => Err(error).or_snooze(),
            Err(error @ (CommitError::Invalid(_) | CommitError::TooLarge(_) | CommitError::RequestMismatch { .. })) => {
                Err(error).or_reject("timeline-refused")
            }
        }
    }
}

/// What the change puts into a timeline; nothing, if it is no affair of an app.
fn entry(change: &Change) -> Result<Option<Write>, HandlerError> {
    let collection = &*change.key.collection;
    let kind = (change.old.is_some(), change.new.is_some());
    let action = match (collection, kind) {
        (_, (false, false)) => return Ok(None),
        (App::COLLECTION, (false, true)) => "app created",
        (App::COLLECTION, (true, true)) => "app changed",
        (App::COLLECTION, (true, false)) => "app deleted",
        (Assignment::COLLECTION, (false, true)) => "user assigned",
        (Assignment::COLLECTION, (true, true)) => "assignment changed",
        (Assignment::COLLECTION, (true, false)) => "user unassigned",
        (Submission::COLLECTION, (false, true)) => "submission created",
        (Submission::COLLECTION, (true, true)) => "submission changed",
        (Submission::COLLECTION, (true, false)) => "submission deleted",
        _ => return Ok(None),
    };
    let (app_id, member) = match (collection, change.key.id.split_once('/')) {
        (App::COLLECTION, None) => (&*change.key.id, None),
        (App::COLLECTION, Some(_)) | (_, None) => {
            return Err(format!("{} isn't the key of a record of an app", change.key)).or_reject("bad-record-key");
        }
        (_, Some((app_id, member))) => (app_id, Some(member)),
    };
    let mut data = json!({
        "at": change.at,
        "actor": change.actor,
        "action": action,
        "app_id": app_id,
        "version": change.version,
    });
    match (collection, member) {
        (Assignment::COLLECTION, Some(user)) => data["user_id"] = user.into(),
        (Submission::COLLECTION, Some(submission)) => data["submission_id"] = submission.into(),
        _ => {}
    }
    let id = entry_id(app_id, change, member.unwrap_or(app_id));
    let key = RecordKey::new(&change.key.tenant, TIMELINE, id);
    Ok(Some(Write { key, expected: Expected::Absent, data: Some(data) }))
}

/// Sorts by time in the timeline of its app, and is unique to the change.
fn entry_id(app_id: &str, change: &Change, id: &str) -> String {
    let (millis, collection, version) = (change.at.as_millisecond(), &change.key.collection, change.version);
    format!("{app_id}/{millis:015}-{collection}-{id}-{version}")
}
