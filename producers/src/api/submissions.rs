//! Submissions: filled-in forms of an app.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use sendoff_events::{AppId, EventId, SubmissionCreated, SubmissionId, SubmissionUpdated};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ApiState, apps,
    auth::Caller,
    document,
    fields::{self, Fields},
    form,
    listing::{self, Listed, Paging},
    mutation::{Mutation, Plan, Planning, answer},
    operation::Operation,
    path::Ids,
    precondition::etag,
    problem::Problem,
};
use crate::{
    Answer, Expected, Write,
    model::{App, Stored, Submission, decode, load, submission_key},
};

/// What was filled in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SubmissionInput")]
#[expect(dead_code, reason = "it describes the body, which is read field by field so that every flaw is reported")]
struct Input {
    /// Values by field name. A name has 1 to 100 characters.
    #[schemars(extend("maxProperties" = 500))]
    fields: Map<String, Value>,
}

pub(super) fn operations() -> Vec<Operation> {
    const ALL: &str = "/v1/apps/{app_id}/submissions";
    const ONE: &str = "/v1/apps/{app_id}/submissions/{submission_id}";
    vec![
        Operation::post(ALL, "createSubmission", "Make a submission", post)
            .publishes::<SubmissionCreated>()
            .describe("Send an `Idempotency-Key`, or a repeated request makes another one. Where the app has a form, the fields must \
                 keep to it.")
            .tagged()
            .takes::<Input>(json!({ "fields": { "amount": 12.5, "reason": "Lunch" } }))
            .creates::<Submission>("The submission", sample()),
        Operation::put(ONE, "putSubmission", "Replace the fields of a submission", put)
            .publishes::<SubmissionUpdated>()
            .describe("Fields that are as they were change nothing, and nothing is published.")
            .conditional()
            .tagged()
            .takes::<Input>(json!({ "fields": { "amount": 12.5, "reason": "Lunch" } }))
            .answers::<Submission>("The submission as it is now", sample()),
        Operation::get(ONE, "getSubmission", "One submission", get)
            .tagged()
            .answers::<Submission>("The submission", sample()),
        Operation::get(ALL, "listSubmissions", "The submissions of an app, oldest first", list)
            .paged()
            .answers::<Listed<Submission>>("A page of submissions", json!({ "items": [sample()] })),
    ]
}

async fn post(
    State(api): State<ApiState>,
    Ids(app_id): Ids<AppId>,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let fields = read(&api, request.take_body()?)?;
    let caller = &request.caller;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (app, _) = apps::find(&api, caller, &app_id).await?;
            keeps_to_form(&app, &fields)?;
            // Ids sort by time, and so do the submissions of an app.
            let id = EventId::generate(api.clock(), api.rng()).to_string();
            let submission = Submission {
                app_id: app_id.clone(),
                submission_id: id.parse().map_err(|e| Problem::internal(&e))?,
                author_id: caller.subject.clone(),
                revision: 1,
                fields: fields.clone(),
            };
            let event = SubmissionCreated {
                app_id: submission.app_id.clone(),
                submission_id: submission.submission_id.clone(),
                author_id: submission.author_id.clone(),
                revision: submission.revision,
            };
            let event = request.event(&api, event, submission.revision)?;
            let key = submission_key(&caller.tenant, &app_id, &submission.submission_id);
            let data = serde_json::to_value(&submission).map_err(|e| Problem::internal(&e))?;
            let answer = Answer {
                location: Some(format!("/v1/apps/{app_id}/submissions/{id}")),
                etag: Some(etag(submission.revision)),
                events: vec![event.id()],
                ..answer(StatusCode::CREATED, &submission)?
            };
            let write = Write { key, expected: Expected::Absent, data: Some(data) };
            Ok(Plan::told(vec![write], vec![event], answer))
        })
    };
    request.run(&api, plan).await
}

async fn put(
    State(api): State<ApiState>,
    Ids((app_id, submission_id)): Ids<(AppId, SubmissionId)>,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let fields = read(&api, request.take_body()?)?;
    let caller = &request.caller;
    let key = submission_key(&caller.tenant, &app_id, &submission_id);
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (mut submission, version) = find(&api, caller, &app_id, &submission_id).await?;
            request.check_version(Some(version))?;
            let (app, _) = apps::find(&api, caller, &app_id).await?;
            keeps_to_form(&app, &fields)?;
            let changed_fields = changed(&submission.fields, &fields);
            if changed_fields.is_empty() {
                let answer = Answer { etag: Some(etag(version)), ..answer(StatusCode::OK, &submission)? };
                return Ok(Plan::unchanged(answer));
            }
            submission.revision = version + 1;
            submission.fields = fields.clone();
            let event = SubmissionUpdated {
                app_id: submission.app_id.clone(),
                submission_id: submission.submission_id.clone(),
                editor_id: caller.subject.clone(),
                revision: submission.revision,
                changed_fields,
            };
            let event = request.event(&api, event, submission.revision)?;
            let data = serde_json::to_value(&submission).map_err(|e| Problem::internal(&e))?;
            let answer = Answer {
                etag: Some(etag(submission.revision)),
                events: vec![event.id()],
                ..answer(StatusCode::OK, &submission)?
            };
            let write = Write { key: key.clone(), expected: Expected::Version(version), data: Some(data) };
            Ok(Plan::told(vec![write], vec![event], answer))
        })
    };
    request.run(&api, plan).await
}

async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    Ids((app_id, submission_id)): Ids<(AppId, SubmissionId)>,
) -> Result<Response, Problem> {
    let (submission, version) = find(&api, &caller, &app_id, &submission_id).await?;
    Ok(document::show(version, &submission))
}

async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(app_id): Ids<AppId>,
    paging: Paging,
) -> Result<Json<Listed<Submission>>, Problem> {
    apps::find(&api, &caller, &app_id).await?;
    let view = |record| Ok(decode(record)?.0);
    listing::page(&api, &caller, Submission::COLLECTION, &format!("{app_id}/"), &paging, view).await
}

pub(super) async fn find(
    api: &ApiState,
    caller: &Caller,
    app_id: &AppId,
    submission_id: &SubmissionId,
) -> Result<(Submission, u64), Problem> {
    let submission = load(api.records(), &submission_key(&caller.tenant, app_id, submission_id)).await?;
    submission.ok_or_else(|| Problem::not_found(format_args!("submission `{submission_id}` of app `{app_id}`")))
}

/// Refuses fields that the form of the app doesn't have, or has otherwise.
fn keeps_to_form(app: &App, fields: &Map<String, Value>) -> Result<(), Problem> {
    let flaws = app.flaws_of_submission(fields);
    if flaws.is_empty() { Ok(()) } else { Err(form::misfit(flaws)) }
}

/// The names of the fields that were added, changed or removed, sorted.
fn changed(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

fn read(api: &ApiState, body: Value) -> Result<Map<String, Value>, Problem> {
    let most = api.limits().submission_fields;
    let mut body = Fields::of(body)?;
    if !body.has("fields") {
        body.blame(&["fields"], "is required".into());
    }
    let values = body.nested("fields", |fields| {
        let values = fields.rest();
        if values.len() > most {
            fields.blame(&[], format!("has {} fields, more than {most}", values.len()));
            return None;
        }
        // Names travel in events, which have a limit of their own.
        for name in values.keys() {
            fields.parse(&[name], Value::String(name.clone()), fields::line::<1, 100>);
        }
        Some(values)
    });
    body.finish(|| values)
}

fn sample() -> Value {
    json!({
        "app_id": "expenses",
        "submission_id": "01938d1e-7b2c-7000-8000-000000000000",
        "author_id": "ada",
        "revision": 1,
        "fields": { "amount": 12.5, "reason": "Lunch" },
    })
}
