//! The change itself: what stands there is read, changed, and committed with the event that tells of it.

use sendoff_events::{
    EncodeError, Envelope, Event, EventId, Origin, Outgoing, SubmissionCreated, SubmissionId, SubmissionUpdated,
    TraceParent, at_millis,
};
use sendoff_producers::{
    Answer, CommitError, Committed, Expected, Lookup, ReadError, RequestKey, UnitOfWork, Write,
    model::{App, Submission, app_key, load, submission_key},
};
use sendoff_workflows::expr::normalize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    super::asking::{Came, Refusal},
    RecordActions,
    call::{RecordCall, What},
    outputs,
};
use crate::{Context, NotSent, SendOutcome, scrub};

/// How often a change is made anew because others wrote in between.
const ATTEMPTS: usize = 5;
/// What its events name as their source.
const SOURCE: &str = "/sendoff/workflows";

/// A submission as it is to be, and what is to be told of it.
struct Change {
    submission: Submission,
    expected: Expected,
    event: Outgoing,
}

/// Why there is none.
enum Stop {
    Came(Came),
    /// Others wrote in between.
    Conflict,
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Came(match error {
            ReadError::Unavailable(_) => later(&error),
            ReadError::Damaged { .. } => refused("record-damaged", &error),
        })
    }
}

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Self::Came(refused("fields-refused", &error))
    }
}

impl RecordActions {
    pub(super) async fn change(&self, call: &RecordCall, cx: &Context) -> Came {
        for _ in 0..ATTEMPTS {
            match self.attempt(call, cx).await {
                Ok(outputs) => return Came::Done(outputs),
                Err(Stop::Came(came)) => return came,
                Err(Stop::Conflict) => {}
            }
        }
        later(&"others keep changing the submission")
    }

    async fn attempt(&self, call: &RecordCall, cx: &Context) -> Result<Map<String, Value>, Stop> {
        let records: &dyn Lookup = &*self.records;
        let tenant = &call.head.tenant;
        let missing = |what: String| Stop::Came(refused("app-missing", &what));
        let app = load::<App>(records, &app_key(tenant, &call.app)).await?;
        let (app, _) = app.ok_or_else(|| missing(format!("app `{}` doesn't exist", call.app)))?;
        let wrong = |why: String| Stop::Came(refused("fields-refused", &why));
        let change = match &call.what {
            What::Create(fields) => {
                let id =
                    made_id(call, cx).ok_or_else(|| Stop::Came(refused("fields-refused", &"the call's id is none")))?;
                let known = load::<Submission>(records, &submission_key(tenant, &call.app, &id)).await?;
                // An earlier attempt has made it, and its end got lost.
                if known.is_some() {
                    return Ok(done(&id, 1));
                }
                self.created(call, id, &fitting(&app, fields).map_err(wrong)?, cx)?
            }
            What::Update(id, fields) => {
                let known = load::<Submission>(records, &submission_key(tenant, &call.app, id)).await?;
                let missing = || {
                    Stop::Came(refused("submission-missing", &format!("app `{}` has no submission `{id}`", call.app)))
                };
                let (submission, version) = known.ok_or_else(missing)?;
                match self.updated(call, submission, version, &fitting(&app, fields).map_err(wrong)?, cx)? {
                    Some(change) => change,
                    None => return Ok(done(id, version)),
                }
            }
        };
        self.commit(call, change, cx).await
    }

    fn created(
        &self,
        call: &RecordCall,
        submission_id: SubmissionId,
        fields: &Map<String, Value>,
        cx: &Context,
    ) -> Result<Change, Stop> {
        let submission = Submission {
            app_id: call.app.clone(),
            submission_id,
            author_id: call.author.clone(),
            revision: 1,
            fields: fields.clone(),
        };
        let event = SubmissionCreated {
            app_id: submission.app_id.clone(),
            submission_id: submission.submission_id.clone(),
            author_id: submission.author_id.clone(),
            revision: 1,
        };
        let event = encoded(event, call, 1, cx)?;
        Ok(Change { submission, expected: Expected::Absent, event })
    }

    /// `None` where the fields are as they are to be.
    fn updated(
        &self,
        call: &RecordCall,
        mut submission: Submission,
        version: u64,
        fields: &Map<String, Value>,
        cx: &Context,
    ) -> Result<Option<Change>, Stop> {
        let changed = fields.iter().filter(|(name, value)| submission.fields.get(*name) != Some(*value));
        let mut changed_fields: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        if changed_fields.is_empty() {
            return Ok(None);
        }
        changed_fields.sort();
        submission.fields.extend(fields.clone());
        submission.revision = version + 1;
        let event = SubmissionUpdated {
            app_id: submission.app_id.clone(),
            submission_id: submission.submission_id.clone(),
            editor_id: call.author.clone(),
            revision: submission.revision,
            changed_fields,
        };
        let event = encoded(event, call, submission.revision, cx)?;
        Ok(Some(Change { submission, expected: Expected::Version(version), event }))
    }

    async fn commit(&self, call: &RecordCall, change: Change, cx: &Context) -> Result<Map<String, Value>, Stop> {
        let Change { submission, expected, event } = change;
        let outputs = done(&submission.submission_id, submission.revision);
        let key = submission_key(&call.head.tenant, &submission.app_id, &submission.submission_id);
        let broken = |error: serde_json::Error| Stop::Came(refused("fields-refused", &error));
        let answer = Answer {
            status: 200,
            location: None,
            etag: None,
            events: vec![event.id()],
            body: json!(outputs).to_string(),
        };
        let data = Some(serde_json::to_value(&submission).map_err(broken)?);
        let work = UnitOfWork::new(call.head.tenant.clone(), call.author.to_string(), at_millis(cx.now()))
            .write(Write { key, expected, data })
            .tell(event)
            .answer(RequestKey { key: cx.key().to_string(), fingerprint: call.head.hash, answer });
        match self.records.commit(work).await {
            Ok(Committed::Applied { .. }) => Ok(outputs),
            Ok(Committed::Repeated { answer }) => serde_json::from_str(&answer.body).map_err(broken),
            Err(CommitError::Conflict { .. }) => Err(Stop::Conflict),
            Err(error @ (CommitError::Unavailable(_) | CommitError::NotCommitted(_))) => Err(Stop::Came(later(&error))),
            Err(error @ CommitError::RequestMismatch { .. }) => {
                Err(Stop::Came(refused("idempotency-mismatch", &error)))
            }
            Err(error @ (CommitError::Invalid(_) | CommitError::TooLarge(_))) => {
                Err(Stop::Came(refused("fields-refused", &error)))
            }
        }
    }
}

/// The fields as the app's form has them, if it has one. The error names a field, and not what was to stand in it.
fn fitting(app: &App, fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    if app.fields.is_empty() {
        return Ok(fields.clone());
    }
    let field = |(name, value): (&String, &Value)| {
        let ty = app.fields.get(name).ok_or_else(|| format!("`{name}` is no field of the app's form"))?;
        Ok((name.clone(), normalize(value, ty).map_err(|why| format!("field `{name}`: {why}"))?))
    };
    fields.iter().map(field).collect()
}

/// The id of the submission that the call makes: a UUID version 7 of the moment at which it was first asked for and what tells
/// the call from all others. The same for each attempt, and in order with those that people make.
fn made_id(call: &RecordCall, cx: &Context) -> Option<SubmissionId> {
    let millis = u64::try_from(cx.record().first_at.as_millisecond()).ok()?.to_be_bytes();
    let digest = Sha256::digest(call.head.id.as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|n| if n < 6 { millis[n + 2] } else { digest[n] });
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes).to_string().parse().ok()
}

fn encoded<E: Event>(event: E, call: &RecordCall, sequence: u64, cx: &Context) -> Result<Outgoing, EncodeError> {
    let origin = Origin {
        source: SOURCE.to_owned(),
        tenant: call.head.tenant.clone(),
        correlation: Some(call.correlation.clone()),
        causation: call.causation,
        traceparent: Some(TraceParent::root(&**cx.rng())),
        hops: call.hops,
    };
    Envelope::new(event, origin, Some(sequence), &**cx.clock(), &**cx.rng()).encode()
}

fn done(submission: &SubmissionId, revision: u64) -> Map<String, Value> {
    outputs(submission.as_str().into(), revision.into())
}

fn refused(reason: &'static str, why: &dyn std::fmt::Display) -> Came {
    Came::Refused(Refusal { reason, why: scrub(&why.to_string()) })
}

/// The records can't be reached, or others are at it: nothing is wrong with the call.
fn later(why: &dyn std::fmt::Display) -> Came {
    Came::Not(SendOutcome::NotSent(NotSent::Throttled { after: None, reason: scrub(&why.to_string()) }))
}
