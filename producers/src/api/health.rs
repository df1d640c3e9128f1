//! Whether the API is alive and its records answer.

use std::time::Duration;

use axum::{Json, extract::State};
use futures::future::{Either, select};
use schemars::JsonSchema;
use sendoff_events::TenantId;
use serde::Serialize;
use serde_json::json;

use super::{ApiState, operation::Operation, problem::Problem};
use crate::RecordKey;

/// How long the records may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The API is alive and its records answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct View {
    /// Always `ok`: otherwise the answer is a problem with status 503.
    status: &'static str,
    /// Whether it takes the events of load tests, whose messages go nowhere.
    load_tests: bool,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/health", "getHealth", "Whether the API is alive and its records answer", get)
            .public()
            .describe("It only reads: records that can be read may still have no room for more, as on a full disk.")
            .answers::<View>("It is", json!({ "status": "ok", "load_tests": false })),
    ]
}

async fn get(State(api): State<ApiState>) -> Result<Json<View>, Problem> {
    let tenant: TenantId = "health".parse().map_err(|e| Problem::internal(&e))?;
    // There is no such record; what counts is that the records say so.
    let key = RecordKey::new(&tenant, "health", "probe");
    match select(api.records().get(&key), api.clock().sleep(PATIENCE)).await {
        Either::Left((Ok(_), _)) => Ok(Json(View { status: "ok", load_tests: api.takes_load_tests() })),
        Either::Left((Err(error), _)) => Err(error.into()),
        Either::Right(_) => Err(Problem::unavailable("the records do not answer in time")),
    }
}
