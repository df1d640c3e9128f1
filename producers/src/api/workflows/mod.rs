//! Workflows of an app: versions that were published, the one that is switched on, and runs that are asked for.
//!
//! What isn't published is never run: a run names a version, and versions are written here only, once.

mod channels;
mod definition;
mod latest;
mod shape;
mod versions;

use axum::{extract::State, http::StatusCode, response::Response};
use definition::Definition;
use sendoff_events::{AppId, Outgoing, SubmissionId, WorkflowId, WorkflowPublished, WorkflowRequested};
use sendoff_workflows::Published;
use serde_json::{Map, Value, json};
use shape::{RunInput, RunView, Summary, View, sample, sample_definition, sample_run, sample_view};

use super::{
    ApiState, apps,
    auth::Caller,
    fields::{self, Fields},
    listing::Listed,
    mutation::{DeepMutation, Mutation, Plan, Planning, answer},
    operation::Operation,
    path::Ids,
    precondition::etag,
    problem::{Kind, Problem},
    submissions,
};
use crate::{
    Answer, Expected, Write,
    model::{ActiveWorkflow, App, TriggerKind, WorkflowVersion, app_key, workflow_version_key},
};

/// The most that an app may have switched on: each of its submissions may start all of them.
const MAX_WORKFLOWS: usize = 20;

pub(super) fn operations() -> Vec<Operation> {
    const ONE: &str = "/v1/apps/{app_id}/workflows/{workflow}";
    const VERSIONS: &str = "/v1/apps/{app_id}/workflows/{workflow}/versions";
    const VERSION: &str = "/v1/apps/{app_id}/workflows/{workflow}/versions/{version}";
    const RUNS: &str = "/v1/apps/{app_id}/workflows/{workflow}/runs";
    vec![
        Operation::post(VERSIONS, "publishWorkflow", "Publish a version of a workflow", publish)
            .publishes::<WorkflowPublished>()
            .describe(
                "The definition is checked as a whole, against the form of the app and what this deployment can carry out, \
                 too, and everything that is wrong with it is told with its place. It gets the next number, never changes, \
                 and is what is started from now on; runs keep the version that they were started with. What says the same \
                 as the latest version is that version: it is switched on again if need be. The ETag is the version's \
                 number, so that with `If-Match` nobody publishes over a version that they haven't seen. An app has at most \
                 20 workflows switched on.",
            )
            .conditional()
            .limited()
            .tagged()
            .takes::<Map<String, Value>>(sample_definition())
            .creates::<Summary>("The version, which is new", sample())
            .answers::<Summary>("The latest version, which says the same", sample()),
        Operation::get(VERSIONS, "listWorkflowVersions", "The published versions of a workflow, oldest first", versions::list)
            .paged()
            .answers::<Listed<Summary>>("A page of versions", json!({ "items": [sample()] })),
        Operation::get(VERSION, "getWorkflowVersion", "One published version of a workflow", versions::get)
            .tagged()
            .answers::<View>("The version with its definition", sample_view()),
        Operation::delete(ONE, "switchOffWorkflow", "Switch a workflow off", switch_off)
            .describe(
                "It starts no more. Runs go on, and its versions stay: publishing it switches it on again. The ETag is the number \
                 of the version that is switched on.",
            )
            .conditional()
            .empties("It is switched off"),
        Operation::post(RUNS, "startWorkflow", "Ask for a run of a workflow", start)
            .publishes::<WorkflowRequested>()
            .describe(
                "The version that is switched on is started, if `manual` is among its triggers. Send an `Idempotency-Key`, or a \
                 repeated request starts another run.",
            )
            .takes::<RunInput>(json!({ "submission_id": "01938d1e-7b2c-7000-8000-000000000000" }))
            .accepts::<RunView>("It will be started", sample_run()),
    ]
}

type OfApp = (AppId, WorkflowId);

async fn publish(
    State(api): State<ApiState>,
    Ids(ids): Ids<OfApp>,
    DeepMutation(mut request): DeepMutation,
) -> Result<Response, Problem> {
    let Definition { plan, published } = definition::read(request.take_body()?, &ids)?;
    definition::can_run(&api, &plan)?;
    let (app_id, workflow) = &ids;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let caller = &request.caller;
            let (mut app, app_version) = apps::find(&api, caller, app_id).await?;
            definition::fits(&app, &plan)?;
            let active = app.workflows.iter().find(|active| active.name == *workflow).map(|active| active.version);
            let latest = latest::find(&api, caller, &ids, active).await?;
            request.check_version(latest.as_ref().map(|(number, _)| u64::from(*number)))?;
            let (number, known) = match latest {
                Some((number, known)) if known.sha256 == published.sha256 => (number, Some(known)),
                Some((number, _)) => (number.checked_add(1).filter(|n| *n <= latest::MOST).ok_or_else(no_more)?, None),
                None => (1, None),
            };
            let on = definition::triggers(&plan);
            let (mut writes, mut events) = (Vec::new(), Vec::new());
            if switch_on(&mut app, app_id, ActiveWorkflow { name: workflow.clone(), version: number, on })? {
                writes.push(write_app(&request, app_id, &app, app_version)?);
                let event = WorkflowPublished { app_id: app_id.clone(), workflow: workflow.clone(), version: number };
                events.push(request.event(&api, event, app_version + 1)?);
            }
            let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
            let version = known.unwrap_or_else(|| version(&api, caller, &published));
            if status == StatusCode::CREATED {
                let data = serde_json::to_value(&version).map_err(|e| Problem::internal(&e))?;
                let key = workflow_version_key(&caller.tenant, app_id, workflow, number);
                writes.push(Write { key, expected: Expected::Absent, data: Some(data) });
            }
            let path = format!("/v1/apps/{app_id}/workflows/{workflow}/versions/{number}");
            let answer = Answer {
                location: (status == StatusCode::CREATED).then_some(path),
                etag: Some(etag(u64::from(number))),
                events: events.iter().map(Outgoing::id).collect(),
                ..answer(status, &Summary::of(&ids, number, &version, true))?
            };
            Ok(Plan::told(writes, events, answer))
        })
    };
    request.run(&api, plan).await
}

async fn switch_off(
    State(api): State<ApiState>,
    Ids((app_id, workflow)): Ids<OfApp>,
    request: Mutation,
) -> Result<Response, Problem> {
    request.refuse_body_fields()?;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (mut app, app_version) = apps::find(&api, &request.caller, &app_id).await?;
            let active = active(&app, &app_id, &workflow)?.version;
            request.check_version(Some(u64::from(active)))?;
            app.workflows.retain(|known| known.name != workflow);
            let writes = vec![write_app(&request, &app_id, &app, app_version)?];
            let status = StatusCode::NO_CONTENT.as_u16();
            let answer = Answer { status, location: None, etag: None, events: Vec::new(), body: String::new() };
            Ok(Plan::silent(writes, answer))
        })
    };
    request.run(&api, plan).await
}

async fn start(
    State(api): State<ApiState>,
    Ids((app_id, workflow)): Ids<OfApp>,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let mut fields = Fields::of(request.take_body()?)?;
    let submission_id = fields.optional("submission_id", fields::id::<SubmissionId, _>);
    fields.finish(|| Some(()))?;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (app, _) = apps::find(&api, &request.caller, &app_id).await?;
            if !active(&app, &app_id, &workflow)?.on.contains(&TriggerKind::Manual) {
                let detail = format!(
                    "workflow `{workflow}` of app `{app_id}` has no trigger `manual`: publish a version that has"
                );
                return Err(Problem::new(Kind::NotFound, detail));
            }
            if let Some(submission_id) = &submission_id {
                submissions::find(&api, &request.caller, &app_id, submission_id).await?;
            }
            let event = WorkflowRequested {
                app_id: app_id.clone(),
                workflow: workflow.clone(),
                submission_id: submission_id.clone(),
                requested_by: Some(request.caller.subject.clone()),
                scheduled_by: None,
            };
            let event = request.event(&api, event, None)?;
            let view = RunView {
                app_id: app_id.clone(),
                workflow: workflow.clone(),
                submission_id: submission_id.clone(),
                requested_by: request.caller.subject.clone(),
            };
            let answer = Answer { events: vec![event.id()], ..answer(StatusCode::ACCEPTED, &view)? };
            Ok(Plan::told(Vec::new(), vec![event], answer))
        })
    };
    request.run(&api, plan).await
}

/// The workflow of the app that is switched on, or the problem that none is.
fn active<'a>(app: &'a App, app_id: &AppId, workflow: &WorkflowId) -> Result<&'a ActiveWorkflow, Problem> {
    let active = app.workflows.iter().find(|active| active.name == *workflow);
    active.ok_or_else(|| {
        let detail =
            format!("app `{app_id}` has no workflow `{workflow}` that is switched on: publish a version of it");
        Problem::new(Kind::NotFound, detail)
    })
}

/// Makes the app start this version from now on. Gives whether that is new.
fn switch_on(app: &mut App, app_id: &AppId, active: ActiveWorkflow) -> Result<bool, Problem> {
    match app.workflows.binary_search_by(|known| known.name.cmp(&active.name)) {
        Ok(place) if app.workflows[place] == active => return Ok(false),
        Ok(place) => app.workflows[place] = active,
        Err(_) if app.workflows.len() >= MAX_WORKFLOWS => {
            let detail = format!(
                "app `{app_id}` has {MAX_WORKFLOWS} workflows switched on, and may have no more: switch one off first, \
                 by DELETE of /v1/apps/{app_id}/workflows/NAME"
            );
            return Err(Problem::new(Kind::LimitReached, detail));
        }
        Err(place) => app.workflows.insert(place, active),
    }
    Ok(true)
}

fn version(api: &ApiState, caller: &Caller, published: &Published) -> WorkflowVersion {
    WorkflowVersion {
        definition: published.definition.clone(),
        sha256: published.sha256.clone(),
        published_by: caller.subject.clone(),
        published_at: sendoff_events::at_millis(api.clock().now()),
    }
}

fn no_more() -> Problem {
    Problem::new(Kind::LimitReached, format!("a workflow has at most {} versions", latest::MOST))
}

fn write_app(request: &Mutation, app_id: &AppId, app: &App, version: u64) -> Result<Write, Problem> {
    let data = serde_json::to_value(app).map_err(|e| Problem::internal(&e))?;
    let key = app_key(&request.caller.tenant, app_id);
    Ok(Write { key, expected: Expected::Version(version), data: Some(data) })
}
