//! Where a request stands in a chain of work: its correlation id and its trace.

use axum::http::HeaderMap;
use sendoff_events::{LOAD_PREFIX, Origin, TraceParent};

use super::{
    ApiState,
    auth::Caller,
    problem::{Kind, Problem},
};

/// What the events of this API name as their source.
const SOURCE: &str = "/sendoff/api";

/// The headers that may name the chain that a request belongs to, the first that is valid counts.
const CORRELATION: [&str; 2] = ["x-correlation-id", "x-request-id"];

/// The origin of the events that the request causes. A correlation id or trace that isn't valid is as good as none: it
/// must not make a request fail.
///
/// One of a load test is refused, unless load tests are allowed. Were it taken, anybody could keep messages from going out by it; were it
/// passed over, a load test would send real ones. One that only begins like that is somebody else's, and passed over.
pub(super) fn of(headers: &HeaderMap, caller: &Caller, api: &ApiState) -> Result<Origin, Problem> {
    let rng = api.rng();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let taken = |id: &str| api.takes_load_tests() || !id.starts_with(LOAD_PREFIX) || is_of_load_test(id);
    let valid = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) && taken(id);
    let parent = text("traceparent").and_then(|value| value.trim().parse::<TraceParent>().ok());
    let correlation = CORRELATION.iter().filter_map(|name| text(name)).find(valid);
    if !api.takes_load_tests() && correlation.is_some_and(|id| id.starts_with(LOAD_PREFIX)) {
        let why = "by its correlation id the request is one of a load test, and this API takes none: its messages would be real. \
                   Whoever operates it can allow them, and then their messages go nowhere";
        return Err(Problem::new(Kind::LoadTestsOff, why));
    }
    Ok(Origin {
        source: SOURCE.into(),
        tenant: caller.tenant.clone(),
        correlation: correlation.map(str::to_owned),
        causation: None,
        traceparent: Some(parent.map_or_else(|| TraceParent::root(rng), |parent| parent.child(rng))),
        hops: 0,
    })
}

/// Whether a load test can have made this correlation id: `load/RUN/NUMBER`, or `load/` and the name of a workflow's run that one of its
/// events has started, `load_…`.
fn is_of_load_test(id: &str) -> bool {
    let Some(rest) = id.strip_prefix(LOAD_PREFIX) else { return false };
    let is_run = |run: &str| {
        (1..=40).contains(&run.len()) && run.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_number = |number: &str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    rest.starts_with("load_") || rest.split_once('/').is_some_and(|(run, number)| is_run(run) && is_number(number))
}
