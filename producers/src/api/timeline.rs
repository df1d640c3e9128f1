//! The timeline of an app: who did what when. A reaction writes it, the API shows it.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use sendoff_events::AppId;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    ApiState, apps,
    auth::Caller,
    listing::{self, Listed, Paging},
    operation::Operation,
    path::Ids,
    problem::Problem,
};
use crate::Record;

/// The collection that holds timelines. A record's id is `{app_id}/` and what sorts in time; its data is one entry.
pub const TIMELINE: &str = "timeline";

/// An entry of a timeline, as the reaction wrote it: when (`at`), who (`actor`), what (`action`), and more.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "TimelineEntry")]
struct Entry(Map<String, Value>);

pub(super) fn operations() -> Vec<Operation> {
    let sample = json!({
        "items": [{ "at": "2026-11-24T03:00:00Z", "actor": "ada", "action": "submission.created" }],
    });
    vec![
        Operation::get("/v1/apps/{app_id}/timeline", "getTimeline", "Who did what in an app, in order", list)
            .paged()
            .answers::<Listed<Entry>>("A page of the timeline. It lags a moment behind the changes", sample),
    ]
}

async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Ids(app_id): Ids<AppId>,
    paging: Paging,
) -> Result<Json<Listed<Entry>>, Problem> {
    apps::find(&api, &caller, &app_id).await?;
    listing::page(&api, &caller, TIMELINE, &format!("{app_id}/"), &paging, entry).await
}

fn entry(record: Record) -> Result<Entry, Problem> {
    match record.data {
        Value::Object(entry) => Ok(Entry(entry)),
        _ => Err(Problem::internal(&format_args!("timeline entry {} is not an object", record.key))),
    }
}
