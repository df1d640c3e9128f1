//! What stands in the data folder before the first start.

use sendoff_embedded::Store;
use sendoff_events::Clock;
use sendoff_producers::{
    Expected, RecordKey, UnitOfWork, Write,
    model::{WorkflowVersion, app_key, user_key, workflow_version_key},
};
use sendoff_workflows::{Definition, Published};
use serde_json::{Value, json};

use super::{APP, DEFINITION, OTHER_APP, TENANT, USER, plan};

/// Stores the workflow, the apps and the person.
///
/// # Errors
///
/// When the store can't be written.
///
/// # Panics
///
/// When the workflow can't be published.
pub async fn seed(store: &Store, clock: &dyn Clock) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let definition = Definition::read(DEFINITION).unwrap_or_else(|problems| panic!("{problems}"));
    let published = Published::of(&definition, 1).unwrap_or_else(|problems| panic!("{problems}"));
    let version = WorkflowVersion {
        definition: published.definition,
        sha256: published.sha256,
        published_by: USER.parse()?,
        published_at: clock.now(),
    };
    let (tenant, app, other) = (TENANT.parse()?, APP.parse()?, OTHER_APP.parse()?);
    let version_key = workflow_version_key(&tenant, &app, &plan().name.parse()?, 1);
    let person = json!({
        "name": "Ada", "email": "ada@example.org", "phone": "+4930123456", "push_tokens": ["t1"],
    });
    let given: [(RecordKey, Value); 4] = [
        (version_key, serde_json::to_value(version)?),
        (user_key(&tenant, &USER.parse()?), person),
        (app_key(&tenant, &app), json!({ "name": "Orders" })),
        (app_key(&tenant, &other), json!({ "name": "Purchases" })),
    ];
    let write = |(key, data)| Write { key, expected: Expected::Absent, data: Some(data) };
    let writes = given.into_iter().map(write).collect();
    let (actor, at) = (USER.to_owned(), clock.now());
    let work = UnitOfWork { writes, ..UnitOfWork::new(tenant, actor, at).without_events() };
    store.records().commit(work).await?;
    Ok(())
}
