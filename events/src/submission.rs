//! Facts about submissions: forms that users filled in. They carry references, not the fields themselves: fields may
//! hold personal data, and a consumer can look them up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{AppId, Event, SubmissionId, UpcastError, UserId};

/// A user made a submission in an app.
///
/// Version 2 names the author `author_id` (version 1: `submitted_by`) and adds `revision`, which is 1 for every
/// submission of version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubmissionCreated {
    /// The app whose form was filled in.
    pub app_id: AppId,
    /// The new submission.
    pub submission_id: SubmissionId,
    /// Who made it.
    pub author_id: UserId,
    /// The submission's revision that this event speaks of: 1.
    #[schemars(range(min = 1))]
    pub revision: u64,
}

impl Event for SubmissionCreated {
    const TYPE: &'static str = "submission.created";
    const VERSION: u32 = 2;

    fn subject(&self) -> String {
        format!("apps/{}/submissions/{}", self.app_id, self.submission_id)
    }

    fn upcast(from: u32, mut data: Value) -> Result<Value, UpcastError> {
        match (from, data.as_object_mut()) {
            (1, Some(fields)) => {
                let author = fields
                    .remove("submitted_by")
                    .ok_or_else(|| UpcastError { from, why: "missing field `submitted_by`".into() })?;
                fields.insert("author_id".into(), author);
                fields.insert("revision".into(), json!(1));
                Ok(data)
            }
            (1, None) => Err(UpcastError { from, why: "it is not an object".into() }),
            _ => Err(UpcastError { from, why: "there was no such version".into() }),
        }
    }
}

/// A submission was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubmissionUpdated {
    /// The app it belongs to.
    pub app_id: AppId,
    /// The submission that changed.
    pub submission_id: SubmissionId,
    /// Who changed it.
    pub editor_id: UserId,
    /// The submission's revision after the change, from 2.
    #[schemars(range(min = 2))]
    pub revision: u64,
    /// The names of the fields that were added, changed or removed, sorted.
    pub changed_fields: Vec<String>,
}

impl Event for SubmissionUpdated {
    const TYPE: &'static str = "submission.updated";
    const VERSION: u32 = 1;

    fn subject(&self) -> String {
        format!("apps/{}/submissions/{}", self.app_id, self.submission_id)
    }
}
