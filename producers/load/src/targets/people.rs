//! The people that a run speaks of: apps, and users who can be reached on every channel, at addresses that lead nowhere.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_events::{AppId, Clock, IdError, Personal, TenantId, Timestamp, UserId};
use sendoff_producers::{
    CommitError, Expected, RecordKey, Records, UnitOfWork, Write,
    model::{App, User, app_key, user_key},
};
use serde_json::json;

use crate::{
    RunId,
    target::{Person, TargetError},
};

/// How many commits are under way at a time.
const AT_ONCE: usize = 128;

/// How many owners an app can have.
const OWNERS: usize = 20;

const WHAT: &str = "making the users and apps of the run";

/// Makes what isn't there yet.
pub(super) async fn make(
    records: &dyn Records,
    clock: &dyn Clock,
    run: &RunId,
    people: &[Person],
) -> Result<(), TargetError> {
    let mut apps: BTreeMap<(&TenantId, &str), Vec<UserId>> = BTreeMap::new();
    let mut writes = BTreeMap::new();
    for (place, person) in people.iter().enumerate() {
        let owners = apps.entry((&person.tenant, &person.app)).or_default();
        if owners.len() < OWNERS && !owners.contains(&person.user) {
            owners.push(person.user.clone());
        }
        writes.insert(user_key(&person.tenant, &person.user), json!(user(run, place, person)));
    }
    for ((tenant, app), owners) in apps {
        let app: AppId = app.parse().map_err(|e| TargetError::unusable(WHAT, e))?;
        writes.insert(app_key(tenant, &app), json!(owned(run, owners)));
    }
    let at = clock.now();
    let commits = writes.into_iter().map(|(key, data)| write(records, at, key, data));
    stream::iter(commits).buffer_unordered(AT_ONCE).try_collect().await
}

/// Checks that nothing of an earlier run of this name is there: every run makes this user, and cleaning up takes it away last.
pub(super) async fn are_absent(records: &dyn Records, run: &RunId) -> Result<(), TargetError> {
    let what = "beginning the run";
    let (tenant, user) = first(run)?;
    match records.get(&user_key(&tenant, &user)).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => {
            let why = format!(
                "there is a run `{run}` in this system already: choose another name with --run, or remove that one with \
                 `load clean {run} --yes` and the same --backend"
            );
            Err(TargetError::forbidden(what, why))
        }
        Err(error) => Err(TargetError::unreachable(what, error)),
    }
}

/// The user that every run has, of its first tenant.
pub(super) fn first(run: &RunId) -> Result<(TenantId, UserId), TargetError> {
    let failed = |error: IdError| TargetError::unusable("naming the run's first user", error);
    Ok((run.tenant(0).map_err(failed)?, "user-0".parse().map_err(failed)?))
}

/// The name that records have which a run has made, wherever they stand.
pub(super) fn mark(run: &RunId) -> String {
    format!("load/{run}")
}

fn owned(run: &RunId, owners: Vec<UserId>) -> App {
    App {
        name: mark(run),
        owners,
        submission_mail: None,
        fields: BTreeMap::new(),
        workflows: Vec::new(),
        webhooks: Vec::new(),
    }
}

fn user(run: &RunId, place: usize, person: &Person) -> User {
    User {
        name: Personal::new(mark(run)),
        email: Some(Personal::new(format!("{}@{}.load.invalid", person.user, person.tenant))),
        // The numbers 555-0100 to 555-0199 are kept for fiction.
        phone: Some(Personal::new(format!("+120255501{:02}", place % 100))),
        locale: "en".into(),
        time_zone: "UTC".into(),
        channels: BTreeMap::new(),
        events: BTreeMap::new(),
        quiet_hours: None,
        push_tokens: vec![Personal::new(format!("load-{}-{}", person.tenant, person.user))],
        opted_out: BTreeMap::new(),
    }
}

async fn write(
    records: &dyn Records,
    at: Timestamp,
    key: RecordKey,
    data: serde_json::Value,
) -> Result<(), TargetError> {
    let work = UnitOfWork::new(key.tenant.clone(), "load", sendoff_events::at_millis(at))
        .write(Write { key, expected: Expected::Absent, data: Some(data) })
        .without_events();
    match records.commit(work).await {
        // It was made before.
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error @ (CommitError::Unavailable(_) | CommitError::NotCommitted(_))) => {
            Err(TargetError::unreachable(WHAT, error))
        }
        Err(error) => Err(TargetError::unusable(WHAT, error)),
    }
}
