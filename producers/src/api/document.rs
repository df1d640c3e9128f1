//! What users, apps and brandings have in common: a document under an id of the caller's choice, put as a whole.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sendoff_events::BoxFuture;
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

/// Stores `document` under the key, which is found at the path, and answers with `view` of it: 201 when it is new, else 200.
/// What callers don't set, `keep` takes from what is stored. The same document again writes nothing.
pub(super) async fn put<T: Stored + PartialEq + Clone + Send + Sync, V: Serialize>(
    api: &ApiState,
    mutation: &Mutation,
    place: (RecordKey, String),
    document: &T,
    keep: impl Fn(&T, &T) -> T + Send + Sync,
    view: impl Fn(T) -> V + Send + Sync,
) -> Result<Response, Problem> {
    put_if(api, mutation, place, document, keep, |_, _| Box::pin(async { Ok(()) }), view).await
}

/// The same, where `may` has nothing against it: it is asked with what is stored and what will be in its place.
pub(super) async fn put_if<'m, T: Stored + PartialEq + Clone + Send + Sync, V: Serialize>(
    api: &ApiState,
    mutation: &Mutation,
    (key, path): (RecordKey, String),
    document: &T,
    keep: impl Fn(&T, &T) -> T + Send + Sync,
    may: impl Fn(T, T) -> BoxFuture<'m, Result<(), Problem>> + Send + Sync,
    view: impl Fn(T) -> V + Send + Sync,
) -> Result<Response, Problem> {
    let plan = || -> Planning<'_> {
        Box::pin(async {
            let stored = load::<T>(api.records(), &key).await?;
            let version = stored.as_ref().map(|(_, version)| *version);
            mutation.check_version(version)?;
            let (document, unchanged) = match stored {
                None => (document.clone(), false),
                Some((stored, _)) => {
                    let document = keep(document, &stored);
                    let unchanged = document == stored;
                    may(stored, document.clone()).await?;
                    (document, unchanged)
                }
            };
            let (status, location) = match version {
                None => (StatusCode::CREATED, Some(path.clone())),
                Some(_) => (StatusCode::OK, None),
            };
            let data = serde_json::to_value(&document).map_err(|e| Problem::internal(&e))?;
            let expected = version.map_or(Expected::Absent, Expected::Version);
            let write = (!unchanged).then(|| Write { key: key.clone(), expected, data: Some(data) });
            let new_version = version.unwrap_or(0) + u64::from(!unchanged);
            let answer = Answer { location, etag: Some(etag(new_version)), ..answer(status, &view(document))? };
            Ok(Plan::silent(write.into_iter().collect(), answer))
        })
    };
    mutation.run(api, plan).await
}

/// Answers with `view`, at `version`.
pub(super) fn show(version: u64, view: &impl Serialize) -> Response {
    ([(header::ETAG, etag(version))], Json(view)).into_response()
}
