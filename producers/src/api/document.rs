//! What users and apps have in common: a document under an id of the caller's choice, put as a whole.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    ApiState,
    mutation::{Mutation, Plan, Planning, answer},
    precondition::etag,
    problem::Problem,
};
use crate::{
    Answer, Expected, RecordKey, Write,
    model::{Stored, load},
};

/// Stores `document` under `key` and answers with `view` of it: 201 when it is new, else 200. The same document again
/// writes nothing.
pub(super) async fn put<T: Stored + PartialEq + Send + Sync>(
    api: &ApiState,
    mutation: &Mutation,
    key: RecordKey,
    document: &T,
    view: &(impl Serialize + Sync),
) -> Result<Response, Problem> {
    let data = serde_json::to_value(document).map_err(|e| Problem::internal(&e))?;
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let stored = load::<T>(api.records(), &key).await?;
            let version = stored.as_ref().map(|(_, version)| *version);
            mutation.check_version(version)?;
            let unchanged = stored.is_some_and(|(stored, _)| stored == *document);
            let (status, location) = match version {
                None => (StatusCode::CREATED, Some(format!("/v1/{key}"))),
                Some(_) => (StatusCode::OK, None),
            };
            let expected = version.map_or(Expected::Absent, Expected::Version);
            let write = (!unchanged).then(|| Write { key: key.clone(), expected, data: Some(data.clone()) });
            let new_version = version.unwrap_or(0) + u64::from(!unchanged);
            Ok(Plan {
                writes: write.into_iter().collect(),
                events: Vec::new(),
                answer: Answer { location, etag: Some(etag(new_version)), ..answer(status, view)? },
            })
        })
    };
    mutation.run(api, plan).await
}

/// Answers with `view`, at `version`.
pub(super) fn show(version: u64, view: &impl Serialize) -> Response {
    ([(header::ETAG, etag(version))], Json(view)).into_response()
}
