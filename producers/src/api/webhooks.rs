//! Webhooks: endpoints of other systems that are told about the events of an app.

mod secrets;
mod shape;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use sendoff_events::{AppId, WebhookId};
use serde_json::json;
use shape::{View, Wanted, endpoint, read, sample, sample_view};

use super::{
    ApiState, apps,
    auth::Caller,
    document,
    listing::{self, Listed, Paging},
    mutation::{Mutation, Plan, Planning, answer},
    operation::Operation,
    path::Ids,
    precondition::etag,
    problem::{Kind, Problem},
};
use crate::{
    Answer, Expected, Record, Write,
    model::{App, Stored, WebhookEndpoint, app_key, decode, load, webhook_key},
};

/// The most that an app may have: each of its events is told to all of them.
const MAX_WEBHOOKS: usize = 20;

pub(super) fn operations() -> Vec<Operation> {
    const ALL: &str = "/v1/apps/{app_id}/webhooks";
    const ONE: &str = "/v1/apps/{app_id}/webhooks/{webhook_id}";
    vec![
        Operation::put(ONE, "putWebhook", "Create a webhook, or replace one", put)
            .describe(
                "Each event of the app that it wants is posted to it as the CloudEvent that it is, signed as Standard \
                 Webhooks say. It is called again, with the same `webhook-id`, until it answers with 2xx, for about a day. \
                 An app has at most 20.",
            )
            .conditional()
            .limited()
            .tagged()
            .takes::<Wanted>(sample())
            .creates::<View>("The webhook, which is new", sample_view(true))
            .answers::<View>("The webhook as it is now", sample_view(false)),
        Operation::get(ONE, "getWebhook", "One webhook", get)
            .tagged()
            .answers::<View>("The webhook", sample_view(false)),
        Operation::delete(ONE, "deleteWebhook", "Take a webhook away", delete)
            .describe("It is called no more, also not again for what it has missed.")
            .conditional()
            .empties("The webhook is gone"),
        Operation::get(ALL, "listWebhooks", "The webhooks of an app, by id", list)
            .paged()
            .answers::<Listed<View>>("A page of webhooks", json!({ "items": [sample_view(false)] })),
    ]
}

async fn put(
    State(api): State<ApiState>,
    Ids(ids): Ids<(AppId, WebhookId)>,
    mut request: Mutation,
) -> Result<Response, Problem> {
    let wanted = read(&api, request.take_body()?, &ids)?;
    let (app_id, webhook_id) = &ids;
    let key = webhook_key(&request.caller.tenant, app_id, webhook_id.as_str());
    let fresh = secrets::generate()?;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (app, app_version) = apps::find(&api, &request.caller, app_id).await?;
            let stored = load::<WebhookEndpoint>(api.records(), &key).await?;
            let version = stored.as_ref().map(|(_, version)| *version);
            request.check_version(version)?;
            let stored = stored.map(|(stored, _)| stored);
            let made = (wanted.secrets.is_none() && stored.is_none()).then(|| fresh.clone());
            let endpoint = endpoint(&wanted, stored.as_ref(), made.as_deref());
            let unchanged = stored.as_ref() == Some(&endpoint);
            let data = serde_json::to_value(&endpoint).map_err(|e| Problem::internal(&e))?;
            let expected = version.map_or(Expected::Absent, Expected::Version);
            let mut writes = Vec::new();
            if !unchanged {
                writes.push(Write { key: key.clone(), expected, data: Some(data) });
            }
            writes.extend(with(&request, app_id, app, app_version, webhook_id)?);
            let (status, location) = match version {
                None => (StatusCode::CREATED, Some(format!("/v1/apps/{app_id}/webhooks/{webhook_id}"))),
                Some(_) => (StatusCode::OK, None),
            };
            // Where one was deleted its versions go on counting, from one that nobody can read.
            let etag = version.map(|version| etag(version + u64::from(!unchanged)));
            let view = View::of(ids.clone(), endpoint, made);
            Ok(Plan::silent(writes, Answer { location, etag, ..answer(status, &view)? }))
        })
    };
    request.run(&api, plan).await
}

async fn delete(
    State(api): State<ApiState>,
    Ids((app_id, webhook_id)): Ids<(AppId, WebhookId)>,
    request: Mutation,
) -> Result<Response, Problem> {
    request.refuse_body_fields()?;
    let key = webhook_key(&request.caller.tenant, &app_id, webhook_id.as_str());
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let (mut app, app_version) = apps::find(&api, &request.caller, &app_id).await?;
            let (_, version) = find(&api, &request.caller, &app_id, &webhook_id).await?;
            request.check_version(Some(version))?;
            let mut writes = vec![Write { key: key.clone(), expected: Expected::Version(version), data: None }];
            if app.webhooks.iter().any(|known| known == webhook_id.as_str()) {
                app.webhooks.retain(|known| known != webhook_id.as_str());
                writes.push(write_app(&request, &app_id, &app, app_version)?);
            }
            let status = StatusCode::NO_CONTENT.as_u16();
            let answer = Answer { status, location: None, etag: None, events: Vec::new(), body: String::new() };
            Ok(Plan::silent(writes, answer))
        })
    };
    request.run(&api, plan).await
}

async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(ids): Ids<(AppId, WebhookId)>,
) -> Result<Response, Problem> {
    let (endpoint, version) = find(&api, &caller, &ids.0, &ids.1).await?;
    Ok(document::show(version, &View::of(ids, endpoint, None)))
}

async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(app_id): Ids<AppId>,
    paging: Paging,
) -> Result<Json<Listed<View>>, Problem> {
    apps::find(&api, &caller, &app_id).await?;
    let view = |record: Record| {
        let (_, id) = record.key.id.split_once('/').ok_or_else(|| Problem::internal(&"a webhook without an app"))?;
        let webhook_id = id.parse().map_err(|e| Problem::internal(&e))?;
        Ok(View::of((app_id.clone(), webhook_id), decode(record)?.0, None))
    };
    listing::page(&api, &caller, WebhookEndpoint::COLLECTION, &format!("{app_id}/"), &paging, view).await
}

async fn find(
    api: &ApiState,
    caller: &Caller,
    app_id: &AppId,
    webhook_id: &WebhookId,
) -> Result<(WebhookEndpoint, u64), Problem> {
    let webhook = load(api.records(), &webhook_key(&caller.tenant, app_id, webhook_id.as_str())).await?;
    webhook.ok_or_else(|| Problem::not_found(format_args!("webhook `{webhook_id}` of app `{app_id}`")))
}

/// The write that makes the app know the webhook, unless it does.
fn with(
    request: &Mutation,
    app_id: &AppId,
    mut app: App,
    version: u64,
    webhook_id: &WebhookId,
) -> Result<Option<Write>, Problem> {
    let Err(place) = app.webhooks.binary_search_by(|known| known.as_str().cmp(webhook_id.as_str())) else {
        return Ok(None);
    };
    if app.webhooks.len() >= MAX_WEBHOOKS {
        let detail = format!("app `{app_id}` has {MAX_WEBHOOKS} webhooks, and no app may have more: delete one first");
        return Err(Problem::new(Kind::LimitReached, detail));
    }
    app.webhooks.insert(place, webhook_id.to_string());
    write_app(request, app_id, &app, version).map(Some)
}

fn write_app(request: &Mutation, app_id: &AppId, app: &App, version: u64) -> Result<Write, Problem> {
    let data = serde_json::to_value(app).map_err(|e| Problem::internal(&e))?;
    let key = app_key(&request.caller.tenant, app_id);
    Ok(Write { key, expected: Expected::Version(version), data: Some(data) })
}
