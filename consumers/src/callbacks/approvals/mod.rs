//! Deciding by a link: looking at it changes nothing, posting one of its two buttons decides. The first decision stands.

mod form;
mod page;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use form::Wanted;
use sendoff_producers::{
    CommitError, Expected, UnitOfWork, Write,
    model::{Approval, Decided, approval_key, load},
};

use super::{
    CallbackState,
    answer::Refusal,
    body::{self, NOTIFICATION},
    news::unreachable,
    page::no_such_link,
    suppressions::TRIES,
};
use crate::{RunStatus, approvals::decided_event, links::ApprovalLink};

/// A question as the one who was asked finds it.
enum Question {
    /// There is none: the link isn't ours, what it asked is gone, or somebody else is asked.
    None,
    /// It can be decided. The record has this version, and somebody waits or may do so again.
    Open(Approval, u64, Waiting),
    /// It was decided.
    Decided(Decided),
    /// Its time is over.
    Expired(Approval),
    /// The run that asks has come to its end, so that a decision would have no effect.
    Over(Approval),
}

/// Who waits for the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The run.
    Run,
    /// Nobody now: the run has failed. Taken up again it finds what was decided.
    Redrive,
}

/// `GET /approvals/{token}`: asks. Mail programs and virus scanners look at links by themselves, so it decides nothing.
pub(super) async fn ask(
    State(state): State<Arc<CallbackState>>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let Some(link) = read(&state, &token)? else { return Ok(no_such_link()) };
    Ok(match find(&state, &link).await? {
        Question::None => no_such_link(),
        Question::Open(approval, _, waiting) => page::asks(&approval, waiting),
        Question::Decided(decided) => page::was_decided(&decided, &link),
        Question::Expired(approval) => page::expired(&approval),
        Question::Over(approval) => page::over(&approval),
    })
}

/// `POST /approvals/{token}`: decides what the form says.
pub(super) async fn decide(
    State(state): State<Arc<CallbackState>>,
    Path(token): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let Some(link) = read(&state, &token)? else { return Ok(no_such_link()) };
    let wanted = match form::read(&body::read(body, NOTIFICATION).await?)? {
        Ok(wanted) => wanted,
        Err(wrong) => return Ok(page::wrong(wrong)),
    };
    for _ in 0..TRIES {
        let (approval, version, waiting) = match find(&state, &link).await? {
            Question::None => return Ok(no_such_link()),
            Question::Open(approval, version, waiting) => (approval, version, waiting),
            Question::Decided(decided) => return Ok(page::came_to(&decided, &link, &wanted)),
            Question::Expired(approval) => return Ok(page::expired(&approval)),
            Question::Over(approval) => return Ok(page::over(&approval)),
        };
        match state.records.commit(work(&state, &link, approval, version, &wanted)?).await {
            Ok(_) => {
                tracing::info!(decision = wanted.decision.name(), "an approval was decided");
                return Ok(page::done(wanted.decision, waiting));
            }
            // Somebody else was first, or it was asked again: which of them, the next look tells.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(unreachable(error)),
        }
    }
    Err(unreachable("the approval's record is written all the time"))
}

fn read(state: &CallbackState, token: &str) -> Result<Option<ApprovalLink>, Refusal> {
    Ok(state.links.as_ref().ok_or(Refusal::NotConfigured)?.read_approval(token))
}

/// What the link asks, as the records have it now.
async fn find(state: &CallbackState, link: &ApprovalLink) -> Result<Question, Refusal> {
    let key = approval_key(&link.tenant, &link.run, &link.instance);
    let stored = load::<Approval>(&*state.records, &key).await.map_err(unreachable)?;
    let asked = |(approval, _): &(Approval, u64)| {
        // The key is a hash, and the names are what was signed.
        (&approval.run, &approval.instance) == (&link.run, &link.instance)
            && approval.approvers.contains(&link.approver)
    };
    let Some((approval, version)) = stored.filter(asked) else { return Ok(Question::None) };
    if let Some(decided) = approval.decision {
        return Ok(Question::Decided(decided));
    }
    if state.now() >= link.deadline.min(approval.deadline) {
        return Ok(Question::Expired(approval));
    }
    Ok(match waiting(state, link).await? {
        Some(waiting) => Question::Open(approval, version, waiting),
        None => Question::Over(approval),
    })
}

/// Who waits for a decision; `None` where nobody ever will.
async fn waiting(state: &CallbackState, link: &ApprovalLink) -> Result<Option<Waiting>, Refusal> {
    let run = state.workflows.get(&link.run).await.map_err(unreachable)?;
    let run = run.filter(|run| run.started.tenant == link.tenant);
    Ok(run.and_then(|run| match run.status {
        RunStatus::Running => Some(Waiting::Run),
        RunStatus::Failed => Some(Waiting::Redrive),
        RunStatus::Succeeded | RunStatus::Stopped => None,
    }))
}

/// The decision in the record, and the event that tells of it: both or neither, and only if nobody was faster.
fn work(
    state: &CallbackState,
    link: &ApprovalLink,
    mut approval: Approval,
    version: u64,
    wanted: &Wanted,
) -> Result<UnitOfWork, Refusal> {
    let now = state.now();
    let (decision, comment) = (wanted.decision, wanted.comment.clone());
    let decided = Decided { decision, by: link.approver.clone(), comment, at: now };
    let with = (&*state.clock, &*state.rng);
    let event = decided_event(&link.tenant, &approval, &decided, version + 1, with).map_err(unreachable)?;
    approval.decision = Some(decided);
    let key = approval_key(&link.tenant, &link.run, &link.instance);
    let data = Some(serde_json::to_value(&approval).map_err(unreachable)?);
    let work = UnitOfWork::new(link.tenant.clone(), link.approver.to_string(), now);
    Ok(work.write(Write { key, expected: Expected::Version(version), data }).tell(event))
}
