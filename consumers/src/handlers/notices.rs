//! The events that people are told of.

use std::collections::BTreeSet;

use sendoff_events::{AppAssigned, SubmissionCreated, TenantId, UserId};
use sendoff_producers::model::{Submission, submission_key};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Desk, Notice, Story, look_up};
use crate::{Classify, HandlerError, routing::To};

impl Notice for AppAssigned {
    async fn people(&self, to: &To, _: &Desk, _: &TenantId) -> Result<BTreeSet<UserId>, HandlerError> {
        Ok(match to {
            To::Assignee => BTreeSet::from([self.user_id.clone()]),
            To::Assigner => BTreeSet::from([self.assigned_by.clone()]),
            To::Author | To::AppOwners | To::Address { .. } => BTreeSet::new(),
        })
    }

    async fn story(&self, desk: &Desk, tenant: &TenantId) -> Result<Story, HandlerError> {
        let app = desk.app(tenant, &self.app_id).await?;
        let assigned_by = desk.person(tenant, &self.assigned_by).await?;
        let data = object(&json!({ "app": { "id": self.app_id, "name": app.name }, "assigned_by": assigned_by }));
        Ok(Story::Told { data: data?, own_mail: None })
    }
}

impl Notice for SubmissionCreated {
    async fn people(&self, to: &To, desk: &Desk, tenant: &TenantId) -> Result<BTreeSet<UserId>, HandlerError> {
        Ok(match to {
            To::AppOwners => desk.app(tenant, &self.app_id).await?.owners.into_iter().collect(),
            To::Author => BTreeSet::from([self.author_id.clone()]),
            To::Assignee | To::Assigner | To::Address { .. } => BTreeSet::new(),
        })
    }

    async fn story(&self, desk: &Desk, tenant: &TenantId) -> Result<Story, HandlerError> {
        let Self { app_id, submission_id, author_id, .. } = self;
        let app = desk.app(tenant, app_id).await?;
        let key = submission_key(tenant, app_id, submission_id);
        let Some(submission) = look_up::find::<Submission>(&*desk.records, &key).await? else {
            return Ok(Story::Gone("the submission was deleted"));
        };
        let data = object(&json!({
            "app": { "id": app_id, "name": app.name },
            "author": desk.person(tenant, author_id).await?,
            "submission": { "id": submission_id, "revision": submission.revision, "fields": submission.fields },
        }));
        let own_mail = app.submission_mail.map(|own| (format!("apps/{app_id}/submission_mail"), own));
        Ok(Story::Told { data: data?, own_mail })
    }
}

/// What serialises to a JSON object, as one.
pub(super) fn object(value: &impl Serialize) -> Result<Map<String, Value>, HandlerError> {
    match serde_json::to_value(value).or_reject("not-json")? {
        Value::Object(object) => Ok(object),
        _ => Err("it doesn't serialise to an object").or_reject("not-json"),
    }
}
