//! What a call for an approval asks.

use std::time::Duration;

use sendoff_events::{Personal, TenantId, Timestamp, UserId};
use sendoff_producers::model::Approval;
use serde_json::Value;

use super::{
    super::{ActionError, fields::Fields},
    NAME,
};

/// The most bytes of a call: what Step Functions lets a task hand over.
const MAX_CALL: usize = 256 * 1024;
/// The most bytes of an idempotency key, less what the keys of its mails have besides.
const MAX_KEY: usize = 400;
/// The most bytes of a run's name, and of the name of one of its steps.
const MAX_NAME: usize = 256;
/// The most bytes of a title.
const MAX_TITLE: usize = 2000;
/// The most bytes of the text below it.
const MAX_TEXT: usize = 20_000;
/// The most bytes of a task's token
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html>).
const MAX_TOKEN: usize = 2048;
/// The most people that one approval asks: all of them are written to in one call.
const MAX_APPROVERS: usize = 20;
/// How much sooner people's time is over than the run's: a decision has to get there before the run gives up, or somebody would be
/// told that they have decided who hasn't. Of a short time it is a tenth.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest that may be left for a decision: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A call, read.
pub(super) struct Question {
    pub(super) idempotency_key: String,
    pub(super) redrive: u32,
    pub(super) tenant: TenantId,
    /// As it is stored where there is none yet.
    pub(super) approval: Approval,
}

impl Question {
    pub(super) fn read(text: &str, now: Timestamp) -> Result<Self, ActionError> {
        if text.len() > MAX_CALL {
            return Err(ActionError::invalid(format!("the call has more than {MAX_CALL} bytes")));
        }
        let whole: Value = serde_json::from_str(text).map_err(|_| ActionError::invalid("the call is no JSON"))?;
        let mut fields = Fields::of("", whole)?;
        if fields.text("action", MAX_NAME)? != NAME {
            return Err(fields.wrong("action", format_args!("must be `{NAME}`: this function does nothing else")));
        }
        let idempotency_key = fields.text("idempotency_key", MAX_KEY)?;
        let redrive = fields.number("redrive")?;
        let tenant: TenantId = fields.parsed("tenant", "the name of a tenant")?;
        let run = name(&mut fields, "run")?;
        let instance = name(&mut fields, "instance")?;
        let approvers = approvers(&mut fields)?;
        let title = Personal::new(fields.text("title", MAX_TITLE)?);
        let text = Personal::new(fields.text_or_none("text", MAX_TEXT)?);
        let deadline = deadline(&mut fields, now)?;
        let token = fields.optional_text("token", MAX_TOKEN)?.map(Personal::new);
        fields.done()?;
        let approval = Approval { run, instance, approvers, title, text, deadline, redrive, token, decision: None };
        Ok(Self { idempotency_key, redrive, tenant, approval })
    }

    /// Whether what was asked before under these names is the same.
    pub(super) fn is(&self, asked: &Approval) -> bool {
        let same = |a: &Approval| (a.approvers.clone(), a.title.clone(), a.text.clone());
        same(&self.approval) == same(asked)
    }
}

/// A name that stands in the subjects of events, which have no control characters.
fn name(fields: &mut Fields, name: &'static str) -> Result<String, ActionError> {
    let text = fields.text(name, MAX_NAME)?;
    match text.chars().any(char::is_control) {
        true => Err(fields.wrong(name, "must be without control characters")),
        false => Ok(text),
    }
}

/// Who is asked, each once, in the order of the call. Whom an expression didn't find is `null` there, and isn't asked.
fn approvers(fields: &mut Fields) -> Result<Vec<UserId>, ActionError> {
    const RULE: &str = "must be a list of users' ids";
    let Some(value) = fields.take("approvers") else { return Err(fields.missing("approvers")) };
    let Value::Array(list) = value else { return Err(fields.wrong("approvers", RULE)) };
    let mut approvers = Vec::new();
    for value in list.into_iter().filter(|value| !value.is_null()) {
        let id = value.as_str().and_then(|text| text.parse::<UserId>().ok());
        let id = id.ok_or_else(|| fields.wrong("approvers", RULE))?;
        if !approvers.contains(&id) {
            approvers.push(id);
        }
    }
    match approvers.len() {
        0 => Err(fields.wrong("approvers", "names nobody: the run would wait for nothing")),
        1..=MAX_APPROVERS => Ok(approvers),
        _ => Err(fields.wrong("approvers", format_args!("names more than {MAX_APPROVERS} users"))),
    }
}

/// A number of seconds from now, or the moment itself: when the run gives up. Gives until when people may decide.
fn deadline(fields: &mut Fields, now: Timestamp) -> Result<Timestamp, ActionError> {
    let value = fields.take("deadline").ok_or_else(|| fields.missing("deadline"))?;
    let deadline = match &value {
        Value::String(moment) => moment.parse::<Timestamp>().ok(),
        seconds => seconds.as_u64().and_then(|seconds| now.checked_add(Duration::from_secs(seconds)).ok()),
    };
    let latest = now.checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    let whole = deadline.filter(|moment| *moment <= latest).and_then(|end| approval_time(end, now));
    whole.ok_or_else(|| fields.wrong("deadline", "must be a number of seconds, or a moment, at most a year from now"))
}

/// Until when people may decide who are asked at `now`, where the run gives up at `end`. To whole seconds.
#[must_use]
pub fn approval_time(end: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    end.checked_sub(MARGIN.min(left / 10)).ok().and_then(|at| Timestamp::from_second(at.as_second()).ok())
}
