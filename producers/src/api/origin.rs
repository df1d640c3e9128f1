//! Where a request stands in a chain of work: its correlation id and its trace.

use axum::http::HeaderMap;
use sendoff_events::{LOAD_PREFIX, Origin, TraceParent};

use super::{ApiState, auth::Caller};

/// What the events of this API name as their source.
const SOURCE: &str = "/sendoff/api";

/// The headers that may name the chain that a request belongs to, the first that is valid counts.
const CORRELATION: [&str; 2] = ["x-correlation-id", "x-request-id"];

/// The origin of the events that the request causes. A correlation id or trace that isn't valid is as good as none: it
/// must not make a request fail. Nor is one of a load test, unless load tests are allowed: it would keep the messages of the request
/// from going out.
pub(super) fn of(headers: &HeaderMap, caller: &Caller, api: &ApiState) -> Origin {
    let rng = api.rng();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let valid = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    let allowed = |id: &&str| api.takes_load_tests() || !id.starts_with(LOAD_PREFIX);
    let parent = text("traceparent").and_then(|value| value.trim().parse::<TraceParent>().ok());
    Origin {
        source: SOURCE.into(),
        tenant: caller.tenant.clone(),
        correlation: CORRELATION.iter().filter_map(|name| text(name)).filter(allowed).find(valid).map(str::to_owned),
        causation: None,
        traceparent: Some(parent.map_or_else(|| TraceParent::root(rng), |parent| parent.child(rng))),
        hops: 0,
    }
}
