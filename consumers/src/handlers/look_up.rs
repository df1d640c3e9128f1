//! Looking records up while handling an event.

use sendoff_events::{AppId, TenantId};
use sendoff_producers::{
    Lookup, ReadError, RecordKey,
    model::{App, Stored, app_key, load},
};

use crate::{Classify, HandlerError};

/// The record, if there is one. An unreachable store is waited out; a record that can't be read is for a person to mend.
pub(crate) async fn find<T: Stored>(records: &dyn Lookup, key: &RecordKey) -> Result<Option<T>, HandlerError> {
    match load(records, key).await {
        Ok(found) => Ok(found.map(|(data, _)| data)),
        Err(error @ ReadError::Unavailable(_)) => Err(error).or_snooze(),
        Err(error @ ReadError::Damaged { .. }) => Err(error).or_reject("record-damaged"),
    }
}

/// The app that an event speaks of. Apps aren't deleted while events about them are under way, so one that is missing is
/// told, not passed over.
pub(crate) async fn app(records: &dyn Lookup, tenant: &TenantId, id: &AppId) -> Result<App, HandlerError> {
    let app = find(records, &app_key(tenant, id)).await?;
    app.ok_or_else(|| format!("app `{id}` doesn't exist (any more)")).or_reject("app-missing")
}
