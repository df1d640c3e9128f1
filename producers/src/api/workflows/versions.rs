//! Looking at the versions of a workflow.

use axum::{Json, extract::State, response::Response};
use sendoff_events::{AppId, WorkflowId};

use super::{
    OfApp,
    shape::{Summary, View},
};
use crate::{
    Record,
    api::{
        ApiState, apps,
        auth::Caller,
        document,
        listing::{self, Listed, Paging},
        path::Ids,
        problem::Problem,
    },
    model::{App, Stored, WorkflowVersion, decode, load, workflow_version_key, workflow_versions},
};

pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(ids): Ids<OfApp>,
    paging: Paging,
) -> Result<Json<Listed<Summary>>, Problem> {
    let (app, _) = apps::find(&api, &caller, &ids.0).await?;
    let view = |record: Record| {
        let number = record.key.id.rsplit('/').next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| Problem::internal(&"a version without a number"))?;
        let (version, _) = decode(record)?;
        Ok(Summary::of(&ids, number, &version, is_active(&app, &ids.1, number)))
    };
    let prefix = workflow_versions(&ids.0, &ids.1);
    listing::page(&api, &caller, WorkflowVersion::COLLECTION, &prefix, &paging, view).await
}

pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    Ids((app_id, workflow, number)): Ids<(AppId, WorkflowId, u32)>,
) -> Result<Response, Problem> {
    let (app, _) = apps::find(&api, &caller, &app_id).await?;
    let key = workflow_version_key(&caller.tenant, &app_id, &workflow, number);
    let found = load::<WorkflowVersion>(api.records(), &key).await?;
    let missing = || Problem::not_found(format_args!("version {number} of workflow `{workflow}` of app `{app_id}`"));
    let (version, _) = found.ok_or_else(missing)?;
    let active = is_active(&app, &workflow, number);
    let summary = Summary::of(&(app_id, workflow), number, &version, active);
    Ok(document::show(u64::from(number), &View { summary, definition: version.definition }))
}

fn is_active(app: &App, workflow: &WorkflowId, number: u32) -> bool {
    app.workflows.iter().any(|active| (&active.name, active.version) == (workflow, number))
}
