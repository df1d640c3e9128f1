//! Approvals: somebody decides, by a link that was sent to them.
//!
//! | field | what it is |
//! |---|---|
//! | `action` | `approval` |
//! | `idempotency_key`, `redrive`, `tenant` | as for any action |
//! | `run`, `instance` | who waits: the run, and which of its steps |
//! | `approvers` | users' ids, 1 to 20. Any one of them decides |
//! | `title`, `text` | what they are asked, and more about it |
//! | `deadline` | in how many seconds the run gives up, or when (RFC 3339). People's time is over a minute sooner, so that a decision gets there |
//! | `token` | optional: what the state machine that waits is called back by; kept with the question |
//!
//! The answer is `{"status": "sent"}` once the question is stored and somebody has been written to. It says nothing of the
//! decision, which comes as the event `approval.decided`. A repeated call asks nobody twice. One that comes after the decision,
//! from a run that was taken up again or with another token, has the event told again: what waits now hasn't heard it. One that
//! comes late, after nobody could be written to, gives people new time, as the run has; so does one of a run that was taken up
//! again, by mails with new links.

mod again;
mod question;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use again::{again, is_short};
use futures::future::join_all;
use jiff::tz::TimeZone;
use question::Question;
pub use question::approval_time;
use sendoff_events::{BoxFuture, TenantId, Timestamp, UserId, at_millis};
use sendoff_producers::{
    CommitError, Expected, Records, UnitOfWork, Write,
    model::{Approval, approval_key, load},
};
use serde_json::{Map, Value, json};

use super::{ActionError, ActionErrorKind, ActionResult, ActionStatus, Actions, head::record_key};
use crate::{
    IdempotencyKey, Limits, RouterPorts, StepState,
    approvals::decided_event,
    links::{ApprovalLink, Links},
    moments::since,
};

/// Its name in calls, and that of the template of its mails.
const NAME: &str = "approval";
/// The action that mails are sent by.
const EMAIL: &str = "email";
/// How often a record is read again that somebody else has written in between.
const TRIES: u32 = 5;
/// How long somebody has had the question before it waits for them without those who couldn't be written to. As long as it doesn't,
/// a state machine calls again, and that takes a decision up to a quarter of an hour.
const HOPE: Duration = Duration::from_secs(6 * 3600);

/// Asks people to decide, by mail.
pub struct ApprovalActions {
    ports: RouterPorts,
    records: Arc<dyn Records>,
    mails: Arc<dyn Actions>,
    links: Option<Links>,
}

impl ApprovalActions {
    /// Keeps what is asked in `records`, and writes to people by `mails`, the action `email`. Without `links` nobody could answer,
    /// so nobody is asked.
    #[must_use]
    pub fn new(ports: RouterPorts, records: Arc<dyn Records>, mails: Arc<dyn Actions>, links: Option<Links>) -> Self {
        Self { ports, records, mails, links }
    }

    async fn ask(&self, question: &Question, limits: &Limits) -> Result<ActionResult, ActionError> {
        let Some(links) = &self.links else {
            let why = "this deployment has no public address, so nobody could open the link: set it, and the secret for links";
            return Err(permanent("no-public-address", why));
        };
        let approval = self.store(question).await?;
        // A link that is no good any more helps nobody; whoever waits knows the deadline itself.
        if approval.decision.is_some() || self.ports.clock.now() >= approval.deadline {
            return Ok(asked());
        }
        let mails = approval.approvers.iter().map(|approver| async {
            let url = links.approval(&link(question, &approval, approver));
            let call = mail(question, &approval, approver, &url).to_string();
            self.mails.act(&call, limits).await
        });
        match somebody(join_all(mails).await) {
            Err(error) if error.kind == ActionErrorKind::Throttled => {
                let now = at_millis(self.ports.clock.now());
                match self.reached(question, &approval).await? {
                    Some(at) if since(at, now) >= HOPE => Ok(asked()),
                    _ => Err(error),
                }
            }
            other => other,
        }
    }

    /// When the first mail of the question, as it stands, went to anybody.
    async fn reached(&self, question: &Question, known: &Approval) -> Result<Option<Timestamp>, ActionError> {
        let mut first = None;
        for key in approval_record_keys(&question.tenant, &question.idempotency_key, known) {
            let record = self.ports.inbox.get(&key).await.map_err(|e| unreachable(&e))?;
            let steps = record.into_iter().flat_map(|record| record.steps.into_values());
            first = steps.filter(|step| step.state == StepState::Done).map(|step| step.at).chain(first).min();
        }
        Ok(first)
    }

    /// The question as it stands after this call: stored now, or before.
    async fn store(&self, question: &Question) -> Result<Approval, ActionError> {
        let Question { tenant, approval: new, .. } = question;
        let key = approval_key(tenant, &new.run, &new.instance);
        for _ in 0..TRIES {
            let now = at_millis(self.ports.clock.now());
            let stored = load::<Approval>(&*self.records, &key).await.map_err(|e| unreachable(&e))?;
            let (next, version) = match stored {
                None => (new.clone(), 0),
                Some((known, _)) if !question.is(&known) => {
                    let why = "the same step of the same run has asked for something else before";
                    return Err(permanent("idempotency-mismatch", why));
                }
                Some((known, version)) => {
                    let anew = is_short(&known, new, now) && self.reached(question, &known).await?.is_none();
                    match again(new, &known, anew) {
                        None => return Ok(known),
                        Some(next) => (next, version),
                    }
                }
            };
            let mut told = None;
            if let Some(decided) = &next.decision {
                let with = (&*self.ports.clock, &*self.ports.rng);
                let event = decided_event(tenant, &next, decided, version + 1, with);
                told = Some(event.map_err(|e| permanent("invalid-call", &e.to_string()))?);
            }
            let data = serde_json::to_value(&next).map_err(|e| permanent("invalid-call", &e.to_string()))?;
            let expected = if version == 0 { Expected::Absent } else { Expected::Version(version) };
            let work = UnitOfWork::new(tenant.clone(), NAME, now).write(Write {
                key: key.clone(),
                expected,
                data: Some(data),
            });
            // That it is asked is said by messages; only the decision is an event.
            let work = match told {
                Some(event) => work.tell(event),
                None => work.without_events(),
            };
            match self.records.commit(work).await {
                Ok(_) => return Ok(next),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(unreachable(&error)),
            }
        }
        Err(unreachable(&"the question is written all the time"))
    }
}

/// The mails that the question of `call` would be asked by, one for each approver, as calls of the action `email`. Nobody is asked,
/// and `url` stands where each has a link of their own.
///
/// # Errors
///
/// What the action would answer to `call` on sight.
pub fn approval_mails(call: &str, now: Timestamp, url: &str) -> Result<Vec<(UserId, Value)>, ActionError> {
    let question = Question::read(call, now)?;
    let approval = &question.approval;
    let mail = |approver: &UserId| (approver.clone(), mail(&question, approval, approver, url));
    Ok(approval.approvers.iter().map(mail).collect())
}

/// What the link of one of those who are asked says.
fn link(question: &Question, approval: &Approval, approver: &UserId) -> ApprovalLink {
    ApprovalLink {
        tenant: question.tenant.clone(),
        run: approval.run.clone(),
        instance: approval.instance.clone(),
        approver: approver.clone(),
        deadline: approval.deadline,
    }
}

/// The call for the mail to one of those who are asked. It is the same for the same deadline, so that nobody gets it twice.
fn mail(question: &Question, approval: &Approval, approver: &UserId, url: &str) -> Value {
    let data = json!({
        "title": approval.title,
        "text": approval.text,
        "url": url,
        "deadline": shown(approval.deadline),
    });
    json!({
        "action": EMAIL,
        "idempotency_key": mail_key(&question.idempotency_key, approval, approver),
        "redrive": question.redrive,
        "tenant": question.tenant,
        "to": { "user": approver },
        "template": { "name": NAME, "data": { "approval": data } },
    })
}

/// What the mail to one of those who are asked is called. With another deadline it says something else, and is another mail.
fn mail_key(idempotency_key: &str, approval: &Approval, approver: &UserId) -> String {
    format!("{idempotency_key}/{}/{approver}", approval.deadline)
}

/// The keys of the records that the mails have, by which the people of an approval are asked. `idempotency_key` is the call's.
#[must_use]
pub fn approval_record_keys(tenant: &TenantId, idempotency_key: &str, approval: &Approval) -> Vec<IdempotencyKey> {
    let key = |approver| record_key(EMAIL, tenant, &mail_key(idempotency_key, approval, approver));
    approval.approvers.iter().map(key).collect()
}

/// A moment as people read it: `2026-11-27 11:20 UTC`.
pub(crate) fn shown(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What it comes to when each was written to: one is enough, but nobody is left out as long as there is hope. A mail that is put
/// off, by a server that takes none from strangers at first, is no failure of the question: that waits for long anyhow.
fn somebody(mails: Vec<Result<ActionResult, ActionError>>) -> Result<ActionResult, ActionError> {
    let sent = mails.iter().any(|mail| mail.as_ref().is_ok_and(|mail| mail.status == ActionStatus::Sent));
    let mut failed: Vec<_> = mails.into_iter().filter_map(Result::err).collect();
    failed.sort_by_key(|error| error.kind == ActionErrorKind::Permanent);
    match failed.into_iter().next() {
        Some(error) if error.kind != ActionErrorKind::Permanent => {
            Err(ActionError { kind: ActionErrorKind::Throttled, ..error })
        }
        _ if sent => Ok(asked()),
        Some(error) => Err(error),
        None => Err(ActionError::nobody_asked()),
    }
}

fn asked() -> ActionResult {
    ActionResult { status: ActionStatus::Sent, provider: None, provider_id: None, reason: None, outputs: Map::new() }
}

fn permanent(reason: &str, message: &str) -> ActionError {
    ActionError { kind: ActionErrorKind::Permanent, reason: reason.into(), message: message.into() }
}

fn unreachable(error: &dyn std::fmt::Display) -> ActionError {
    ActionError::throttled("records-unreachable", error.to_string())
}

impl Actions for ApprovalActions {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let question = Question::read(call, at_millis(self.ports.clock.now()))?;
            self.ask(&question, limits).await
        })
    }
}
