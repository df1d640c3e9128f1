//! Around every request: a panic becomes an answer, and each answer a line in the log.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use sendoff_events::EventId;

use super::{
    ApiState,
    problem::{Kind, Problem},
};

/// Logs the route, not the path: paths hold ids of people.
pub(super) async fn guard(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let started = api.clock().now();
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        let instance = format!("urn:uuid:{}", EventId::generate(api.clock(), api.rng()));
        tracing::error!(%method, route, instance, "a request panicked");
        Problem::new(Kind::Internal, "the cause is in the server's log, under the instance's id")
            .at_instance(instance)
            .into_response()
    });
    let duration_ms = api.clock().now().as_millisecond() - started.as_millisecond();
    tracing::info!(%method, route, status = response.status().as_u16(), duration_ms, "answered a request");
    response
}

pub(super) async fn no_such_route() -> Problem {
    Problem::new(Kind::NoSuchRoute, "GET /openapi.json lists every path")
}

pub(super) async fn method_not_allowed(method: Method) -> Problem {
    Problem::new(Kind::MethodNotAllowed, format!("the header Allow lists the methods instead of {method}"))
}
