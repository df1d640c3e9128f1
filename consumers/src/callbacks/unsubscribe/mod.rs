//! Unsubscribing by a link (RFC 8058): looking at it changes nothing, posting to it does.

mod page;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use sendoff_producers::{
    CommitError, Expected, UnitOfWork, Write,
    model::{User, load, user_key},
};

use super::{
    CallbackState,
    answer::Refusal,
    body::{self, NOTIFICATION},
    news::unreachable,
    page::no_such_link,
    suppressions::TRIES,
};
use crate::links::Unsubscribe;

/// `GET /unsubscribe/{token}`: asks. Mail programs and virus scanners look at links by themselves, so it does nothing.
pub(super) async fn ask(
    State(state): State<Arc<CallbackState>>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    match read(&state, &token)? {
        Some(what) => Ok(page::asks(&what)),
        None => Ok(no_such_link()),
    }
}

/// `POST /unsubscribe/{token}`: unsubscribes, whether a mail program posts `List-Unsubscribe=One-Click` or a person presses the
/// button. What the body says doesn't matter: the token says it all.
pub(super) async fn unsubscribe(
    State(state): State<Arc<CallbackState>>,
    Path(token): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let Some(what) = read(&state, &token)? else {
        return Ok(no_such_link());
    };
    body::read(body, NOTIFICATION).await?;
    turn_off(&state, &what).await?;
    Ok(page::done(&what))
}

fn read(state: &CallbackState, token: &str) -> Result<Option<Unsubscribe>, Refusal> {
    Ok(state.links.as_ref().ok_or(Refusal::NotConfigured)?.read_unsubscribe(token))
}

/// Notes in the user's record that they don't want it any more. Nobody is left to tell when they were deleted.
async fn turn_off(state: &CallbackState, what: &Unsubscribe) -> Result<(), Refusal> {
    let key = user_key(&what.tenant, &what.user);
    for _ in 0..TRIES {
        let Some((mut user, version)) = load::<User>(&*state.records, &key).await.map_err(unreachable)? else {
            return Ok(());
        };
        if !user.opted_out.entry(what.event.clone()).or_default().insert(what.channel) {
            return Ok(());
        }
        let data = Some(serde_json::to_value(&user).map_err(unreachable)?);
        let work = UnitOfWork::new(what.tenant.clone(), "unsubscribe", state.now())
            .write(Write { key: key.clone(), expected: Expected::Version(version), data })
            .without_events();
        match state.records.commit(work).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(unreachable(error)),
        }
    }
    Err(unreachable("the user's record is written all the time"))
}
