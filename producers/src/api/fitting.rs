//! Whether the workflows that are switched on still fit a form that is to change.
//!
//! A version's expressions were typed against the form that stood when it was published. With another one its runs would fail, or
//! not start, and nobody would be told before a submission comes.

use axum::{extract::FromRequestParts, http::request::Parts};
use sendoff_events::AppId;
use sendoff_workflows::{Definition, Plan, Use};

use super::{
    ApiState,
    auth::Caller,
    fields,
    problem::{Flaw, Kind, Problem},
    query,
};
use crate::model::{ActiveWorkflow, App, FormFlaw, WorkflowVersion, load, workflow_version_key};

/// Whether the caller wants it whatever becomes of workflows: `force=true`.
pub(super) struct Force(pub(super) bool);

impl<S: Send + Sync> FromRequestParts<S> for Force {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut force = false;
        query::read(parts, |name, text| match name {
            "force" => {
                force = text.parse().map_err(|_| "is neither `true` nor `false`")?;
                Ok(())
            }
            _ => query::unknown(),
        })?;
        Ok(Self(force))
    }
}

/// Refuses a form that an active workflow fits no longer. What it didn't fit before is no reason.
pub(super) async fn still(
    api: &ApiState,
    caller: &Caller,
    app_id: &AppId,
    stored: &App,
    new: &App,
) -> Result<(), Problem> {
    if stored.fields == new.fields {
        return Ok(());
    }
    let mut flaws = Vec::new();
    for active in &new.workflows {
        let key = workflow_version_key(&caller.tenant, app_id, &active.name, active.version);
        let Some((version, _)) = load::<WorkflowVersion>(api.records(), &key).await? else { continue };
        let definition = Definition::of(version.definition);
        let read = definition.and_then(|definition| Plan::of(&definition).map(|plan| (definition, plan)));
        // One that can't be read can't be started either, with any form.
        let Ok((definition, plan)) = read else { continue };
        let before = stored.flaws_of_workflow(&plan.fields);
        for flaw in new.flaws_of_workflow(&plan.fields) {
            if !before.iter().any(|known| known.field == flaw.field) {
                flaws.extend(told(active, &definition, &flaw));
            }
        }
    }
    if flaws.is_empty() {
        return Ok(());
    }
    let detail = "the form would no longer fit workflows that are switched on: publish versions that fit before, switch them off, or \
                  say `force=true`";
    Err(Problem::new(Kind::BreaksWorkflows, detail).with_flaws(flaws))
}

/// The flaw at each place that it matters at.
fn told(active: &ActiveWorkflow, definition: &Definition, flaw: &FormFlaw) -> Vec<Flaw> {
    let FormFlaw { field, why } = flaw;
    let of = format!("workflow `{}`, version {}", active.name, active.version);
    let at = |place: String| Flaw {
        pointer: Some(fields::join("#/fields", &[field])),
        parameter: None,
        detail: format!("{of}, {place}: the field `{field}` {why}"),
    };
    let uses = definition.uses_of_field(field);
    if uses.is_empty() {
        return vec![at("which declares it".to_owned())];
    }
    let place = |Use { step, place }| match step {
        Some(step) => format!("step `{step}`, {place}"),
        None => place,
    };
    uses.into_iter().map(|found| at(place(found))).collect()
}
