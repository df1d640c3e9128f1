//! The way of every change: read the request, plan it on what is stored, commit it in one step, publish, answer.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sendoff_events::{BoxFuture, Envelope, Event, Origin, Outgoing, at_millis};
use serde::Serialize;
use serde_json::Value;

use super::{
    ApiState, Limits,
    auth::Caller,
    fields::Fields,
    idempotency, origin,
    precondition::Conditions,
    problem::{Kind, Problem},
};
use crate::{Answer, CommitError, Committed, RequestKey, UnitOfWork, Write};

/// How often a change is planned anew when others wrote first.
const ATTEMPTS: usize = 5;

/// The events that a change caused, comma separated.
pub(super) const EVENT_ID: HeaderName = HeaderName::from_static("sendoff-event-id");

/// A request to change something.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) caller: Caller,
    conditions: Conditions,
    body: Option<Value>,
    request: Option<idempotency::Request>,
    origin: Origin,
}

/// What to commit and what to answer. Without writes and events nothing changes and the answer is given as it is.
#[derive(Debug)]
pub(super) struct Plan {
    writes: Vec<Write>,
    events: Vec<Outgoing>,
    may_be_silent: bool,
    answer: Answer,
}

impl Plan {
    /// Writes and the events that tell of them.
    pub(super) fn told(writes: Vec<Write>, events: Vec<Outgoing>, answer: Answer) -> Self {
        Self { writes, events, may_be_silent: false, answer }
    }

    /// Writes that no event tells of, as no consumer waits for them: only the stream of changes has them.
    pub(super) fn silent(writes: Vec<Write>, answer: Answer) -> Self {
        Self { writes, events: Vec::new(), may_be_silent: true, answer }
    }

    /// Everything is as it was asked for already.
    pub(super) fn unchanged(answer: Answer) -> Self {
        Self::told(Vec::new(), Vec::new(), answer)
    }
}

/// A plan in the making. Boxed, because an async closure's future can't be shown to be `Send` for a handler.
pub(super) type Planning<'p> = BoxFuture<'p, Result<Plan, Problem>>;

/// A request to change something, as it comes in, or the answer that its key got before.
pub(super) enum Incoming {
    Refused(Problem),
    Answered(Box<Answer>),
}

impl IntoResponse for Incoming {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(problem) => problem.into_response(),
            Self::Answered(answer) => replay(*answer),
        }
    }
}

impl From<Problem> for Incoming {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl FromRequest<ApiState> for Mutation {
    type Rejection = Incoming;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Incoming> {
        Self::read(request, api, api.limits()).await
    }
}

/// A request to change something whose body may be nested as deep as JSON is read at all: steps stand in steps.
pub(super) struct DeepMutation(pub(super) Mutation);

impl FromRequest<ApiState> for DeepMutation {
    type Rejection = Incoming;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Incoming> {
        let limits = Limits { json_depth: usize::MAX, ..*api.limits() };
        Mutation::read(request, api, &limits).await.map(Self)
    }
}

impl Mutation {
    async fn read(request: Request, api: &ApiState, limits: &Limits) -> Result<Self, Incoming> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, api).await?;
        let conditions = Conditions::of(&parts.headers)?;
        let key = idempotency::key(&parts.headers)?;
        let bytes = limits.read(&parts.headers, body).await?;
        let body = match bytes.is_empty() {
            true => None,
            false => Some(limits.json(&parts.headers, &bytes)?),
        };
        let fingerprint = |key| idempotency::Request {
            key,
            fingerprint: idempotency::fingerprint(
                (&parts.method, &parts.uri),
                &caller.subject,
                &conditions,
                body.as_ref(),
            ),
        };
        let request = key.map(fingerprint);
        let origin = origin::of(&parts.headers, &caller, api)?;
        let mutation = Self { caller, conditions, body, request, origin };
        match mutation.first_answer(api).await? {
            Some(answer) => Err(Incoming::Answered(Box::new(answer))),
            None => Ok(mutation),
        }
    }

    /// The body, which this request needs.
    pub(super) fn take_body(&mut self) -> Result<Value, Problem> {
        let missing = || Problem::new(Kind::BadJson, "the body is empty: send a JSON object").at(1, 0);
        self.body.take().ok_or_else(missing)
    }

    /// Refuses fields in the body of an operation that takes none: whoever sends one believes that it means something.
    pub(super) fn refuse_body_fields(&self) -> Result<(), Problem> {
        self.body.clone().map_or(Ok(()), |body| Fields::of(body)?.finish(|| Some(())))
    }

    /// Checks the caller's `If-Match` and `If-None-Match`, if there are any, against the version that stands.
    pub(super) fn check_version(&self, version: Option<u64>) -> Result<(), Problem> {
        self.conditions.check(version)
    }

    /// The event, encoded, with the record's new version as its number, if it tells of a record.
    pub(super) fn event<E: Event>(
        &self,
        api: &ApiState,
        data: E,
        sequence: impl Into<Option<u64>>,
    ) -> Result<Outgoing, Problem> {
        let envelope = Envelope::new(data, self.origin.clone(), sequence.into(), api.clock(), api.rng());
        envelope.encode().map_err(|e| Problem::internal(&e))
    }

    /// Commits what `plan` makes of the stored state, planning anew when others wrote in between, and answers.
    pub(super) async fn run<'p>(
        &self,
        api: &ApiState,
        plan: impl Fn() -> Planning<'p> + Send + Sync,
    ) -> Result<Response, Problem> {
        let mut conflict = None;
        for _ in 0..ATTEMPTS {
            let Plan { writes, events, may_be_silent, answer } = match plan().await {
                Ok(plan) => plan,
                // A twin of this request may have got there first, and so be the reason for the refusal.
                Err(problem) => return self.first_answer(api).await?.map(replay).ok_or(problem),
            };
            let request = self.request.as_ref().map(|request| RequestKey {
                key: request.key.clone(),
                fingerprint: request.fingerprint,
                answer: answer.clone(),
            });
            if writes.is_empty() && events.is_empty() && request.is_none() {
                return Ok(respond(answer));
            }
            let work = UnitOfWork {
                tenant: self.caller.tenant.clone(),
                actor: self.caller.subject.to_string(),
                at: at_millis(api.clock().now()),
                writes,
                events: events.clone(),
                may_be_silent,
                request,
            };
            match api.records().commit(work).await {
                Ok(Committed::Applied { .. }) => {
                    api.publish(&events).await;
                    return Ok(respond(answer));
                }
                Ok(Committed::Repeated { answer }) => return Ok(replay(answer)),
                Err(error @ CommitError::Conflict { .. }) => conflict = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(conflict.map_or_else(|| Problem::internal(&"no attempt was made to commit"), Problem::from))
    }

    async fn first_answer(&self, api: &ApiState) -> Result<Option<Answer>, Problem> {
        let Some(request) = &self.request else { return Ok(None) };
        let answered = api.records().answered(&self.caller.tenant, &request.key, &request.fingerprint).await;
        answered.map_err(|error| match error {
            CommitError::Unavailable(_) | CommitError::NotCommitted(_) => {
                tracing::warn!(%error, "a request key could not be looked up");
                Problem::unavailable("the records can't be read right now; nothing was changed, try again")
            }
            other => other.into(),
        })
    }
}

/// The answer `status` with `body` as JSON, still without its other headers.
pub(super) fn answer<T: Serialize>(status: StatusCode, body: &T) -> Result<Answer, Problem> {
    let body = serde_json::to_string(body).map_err(|e| Problem::internal(&e))?;
    Ok(Answer { status: status.as_u16(), location: None, etag: None, events: Vec::new(), body })
}

fn replay(answer: Answer) -> Response {
    let mut response = respond(answer);
    response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    response
}

fn respond(answer: Answer) -> Response {
    let Ok(status) = StatusCode::from_u16(answer.status) else {
        return Problem::internal(&format_args!("a stored answer has the status {}", answer.status)).into_response();
    };
    let events = answer.events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let json = (!answer.body.is_empty()).then(|| "application/json".to_owned());
    let mut headers = HeaderMap::new();
    for (name, text) in [
        (header::CONTENT_TYPE, json),
        (header::LOCATION, answer.location),
        (header::ETAG, answer.etag),
        (EVENT_ID, (!events.is_empty()).then_some(events)),
    ] {
        // Ids and tags are visible ASCII, so none is left out.
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    // Text would be given a type of its own.
    (status, headers, Body::from(answer.body)).into_response()
}
