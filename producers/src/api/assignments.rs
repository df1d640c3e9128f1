//! Assignments: which users have which app.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use sendoff_events::{AppAssigned, AppId, AppUnassigned, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ApiState, apps,
    auth::Caller,
    document,
    listing::{self, Listed, Paging},
    mutation::{Mutation, Plan, Planning, answer},
    operation::Operation,
    path::Ids,
    problem::Problem,
};
use crate::{
    Answer, Expected, RecordKey, Write,
    model::{Assignment, Stored, User, assignment_key, decode, load, user_key},
};

/// How often an assignment was made and ended again: its version numbers the events. The assignment's own record can't,
/// because it is gone in between.
#[derive(Debug, Serialize, Deserialize)]
struct Turn {
    assigned: bool,
}

impl Stored for Turn {
    const COLLECTION: &'static str = "assignment_turns";
}

pub(super) fn operations() -> Vec<Operation> {
    const ALL: &str = "/v1/apps/{app_id}/assignments";
    const ONE: &str = "/v1/apps/{app_id}/assignments/{user_id}";
    vec![
        Operation::put(ONE, "assignApp", "Assign an app to a user", put)
            .publishes::<AppAssigned>()
            .describe("The user is told on the channels on which they want to hear from us.")
            .conditional()
            .creates::<Assignment>("The user has the app now", sample())
            .answers::<Assignment>("The user had the app already; nothing was changed or published", sample()),
        Operation::delete(ONE, "unassignApp", "Take an app away from a user", delete)
            .publishes::<AppUnassigned>()
            .conditional()
            .empties("The user doesn't have the app any more"),
        Operation::get(ONE, "getAssignment", "Whether a user has an app, and who assigned it", get)
            .tagged()
            .answers::<Assignment>("The assignment", sample()),
        Operation::get(ALL, "listAssignments", "Who has an app, by user id", list)
            .paged()
            .answers::<Listed<Assignment>>("A page of assignments", json!({ "items": [sample()] })),
    ]
}

async fn put(
    State(api): State<ApiState>,
    Ids((app_id, user_id)): Ids<(AppId, UserId)>,
    request: Mutation,
) -> Result<Response, Problem> {
    request.refuse_body_fields()?;
    let caller = &request.caller;
    let key = assignment_key(&caller.tenant, &app_id, &user_id);
    let plan = || -> Planning<'_> {
        Box::pin(async {
            apps::find(&api, caller, &app_id).await?;
            let user = load::<User>(api.records(), &user_key(&caller.tenant, &user_id)).await?;
            user.ok_or_else(|| Problem::not_found(format_args!("user `{user_id}`")))?;
            let standing = load::<Assignment>(api.records(), &key).await?;
            request.check_version(standing.as_ref().map(|(_, version)| *version))?;
            if let Some((standing, _)) = standing {
                return Ok(Plan::unchanged(answer(StatusCode::OK, &standing)?));
            }
            let made =
                Assignment { app_id: app_id.clone(), user_id: user_id.clone(), assigned_by: caller.subject.clone() };
            let (turn, number) = turn(&api, &key, true).await?;
            let data = serde_json::to_value(&made).map_err(|e| Problem::internal(&e))?;
            let answer = Answer { location: Some(path(&app_id, &user_id)), ..answer(StatusCode::CREATED, &made)? };
            let Assignment { app_id, user_id, assigned_by } = made;
            let event = request.event(&api, AppAssigned { app_id, user_id, assigned_by }, number)?;
            let write = Write { key: key.clone(), expected: Expected::Absent, data: Some(data) };
            let answer = Answer { events: vec![event.id()], ..answer };
            Ok(Plan::told(vec![write, turn], vec![event], answer))
        })
    };
    request.run(&api, plan).await
}

async fn delete(
    State(api): State<ApiState>,
    Ids((app_id, user_id)): Ids<(AppId, UserId)>,
    request: Mutation,
) -> Result<Response, Problem> {
    request.refuse_body_fields()?;
    let caller = &request.caller;
    let key = assignment_key(&caller.tenant, &app_id, &user_id);
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (_, version) = find(&api, &key, &app_id, &user_id).await?;
            request.check_version(Some(version))?;
            let (turn, number) = turn(&api, &key, false).await?;
            let (app_id, user_id) = (app_id.clone(), user_id.clone());
            let event = AppUnassigned { app_id, user_id, unassigned_by: caller.subject.clone() };
            let event = request.event(&api, event, number)?;
            let status = StatusCode::NO_CONTENT.as_u16();
            let write = Write { key: key.clone(), expected: Expected::Version(version), data: None };
            let events = vec![event.id()];
            let answer = Answer { status, location: None, etag: None, events, body: String::new() };
            Ok(Plan::told(vec![write, turn], vec![event], answer))
        })
    };
    request.run(&api, plan).await
}

async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    Ids((app_id, user_id)): Ids<(AppId, UserId)>,
) -> Result<Response, Problem> {
    let key = assignment_key(&caller.tenant, &app_id, &user_id);
    let (assignment, version) = find(&api, &key, &app_id, &user_id).await?;
    Ok(document::show(version, &assignment))
}

async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(app_id): Ids<AppId>,
    paging: Paging,
) -> Result<Json<Listed<Assignment>>, Problem> {
    apps::find(&api, &caller, &app_id).await?;
    let view = |record| Ok(decode(record)?.0);
    listing::page(&api, &caller, Assignment::COLLECTION, &format!("{app_id}/"), &paging, view).await
}

async fn find(api: &ApiState, key: &RecordKey, app_id: &AppId, user_id: &UserId) -> Result<(Assignment, u64), Problem> {
    let assignment = load(api.records(), key).await?;
    assignment.ok_or_else(|| Problem::not_found(format_args!("an assignment of app `{app_id}` to user `{user_id}`")))
}

/// The write that counts one more turn, and the turn's number.
async fn turn(api: &ApiState, assignment: &RecordKey, assigned: bool) -> Result<(Write, u64), Problem> {
    let key = RecordKey::new(&assignment.tenant, Turn::COLLECTION, assignment.id.clone());
    let version = load::<Turn>(api.records(), &key).await?.map(|(_, version)| version);
    let expected = version.map_or(Expected::Absent, Expected::Version);
    let data = serde_json::to_value(Turn { assigned }).map_err(|e| Problem::internal(&e))?;
    Ok((Write { key, expected, data: Some(data) }, version.unwrap_or(0) + 1))
}

fn path(app_id: &AppId, user_id: &UserId) -> String {
    format!("/v1/apps/{app_id}/assignments/{user_id}")
}

fn sample() -> Value {
    json!({ "app_id": "expenses", "user_id": "ada", "assigned_by": "grace" })
}
