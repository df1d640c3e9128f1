//! The latest version of a workflow.

use super::{ApiState, OfApp};
use crate::{
    api::{auth::Caller, problem::Problem},
    model::{WorkflowVersion, load, workflow_version_key},
};

/// The highest number that a version can have: the keys of versions have eight digits.
pub(super) const MOST: u32 = 99_999_999;

/// The latest version with its number, if there is any. Numbers have no gaps and versions are never deleted, so it is found by
/// doubling and halving from one that is known, with a look for each step: two looks where the latest is the one that is switched
/// on, some fifty where nothing is known of a workflow of millions of versions.
pub(super) async fn find(
    api: &ApiState,
    caller: &Caller,
    ids: &OfApp,
    known: Option<u32>,
) -> Result<Option<(u32, WorkflowVersion)>, Problem> {
    let at = async |number: u32| load::<WorkflowVersion>(api.records(), &key(caller, ids, number)).await;
    let (mut low, mut found) = (0, None);
    if let Some(known) = known {
        let (version, _) = at(known).await?.ok_or_else(|| gone(ids, known))?;
        (low, found) = (known, Some(version));
    }
    // Everything up to `low` is there; `high` is the first that isn't known to be.
    let mut step = 1;
    let mut high = loop {
        let next = low.saturating_add(step).min(MOST + 1);
        match if next > MOST { None } else { at(next).await? } {
            Some((version, _)) => (low, found, step) = (next, Some(version), step.saturating_mul(2)),
            None => break next,
        }
    };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match at(middle).await? {
            Some((version, _)) => (low, found) = (middle, Some(version)),
            None => high = middle,
        }
    }
    Ok(found.map(|version| (low, version)))
}

fn key(caller: &Caller, (app_id, workflow): &OfApp, number: u32) -> crate::RecordKey {
    workflow_version_key(&caller.tenant, app_id, workflow, number)
}

fn gone((app_id, workflow): &OfApp, number: u32) -> Problem {
    Problem::internal(&format_args!("version {number} of {app_id}/{workflow} is switched on, and isn't there"))
}
