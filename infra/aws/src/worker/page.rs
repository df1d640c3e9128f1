//! What the worker answers over HTTP: to probes, and to Prometheus.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use super::health::Readiness;
use crate::metrics::PrometheusMeter;

/// What the pages tell of.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) readiness: Arc<Readiness>,
    pub(super) meter: Arc<PrometheusMeter>,
}

/// `GET /healthz` is 200 while the process runs: when a part of it fails, the process ends. `GET /readyz` is 200 while the
/// queues can be reached and nobody has asked it to stop, and else 503 with the reasons. `GET /metrics` is for Prometheus.
pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(pages)
}

async fn ready(State(pages): State<Pages>) -> (StatusCode, String) {
    match pages.readiness.check().await {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, PrometheusMeter::CONTENT_TYPE)], pages.meter.page())
}
