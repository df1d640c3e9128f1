//! The plans of published versions.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sendoff_events::{AppId, TenantId, WorkflowId};
use sendoff_producers::{
    Lookup,
    model::{WorkflowVersion, load, workflow_version_key},
};
use sendoff_workflows::{Plan, Published};

use crate::workflows::WorkflowError;

/// How many plans are kept at hand. What is published never changes, so what was read once stays right.
const KEPT: usize = 1000;

/// Which version.
type Key = (TenantId, AppId, WorkflowId, u32);

/// Plans of published versions, read when they are needed.
pub(in crate::workflows) struct Plans {
    records: Arc<dyn Lookup>,
    kept: Cache<Key, Arc<Plan>>,
}

impl Plans {
    /// None yet, to be read from these records.
    pub(in crate::workflows) fn new(records: Arc<dyn Lookup>) -> Self {
        Self { records, kept: Cache::new(KEPT) }
    }

    /// The plan of a version.
    pub(in crate::workflows) async fn of(
        &self,
        tenant: &TenantId,
        app: &AppId,
        workflow: &WorkflowId,
        version: u32,
    ) -> Result<Arc<Plan>, WorkflowError> {
        let key = (tenant.clone(), app.clone(), workflow.clone(), version);
        if let Some(plan) = self.kept.get(&key) {
            return Ok(plan);
        }
        let plan = Arc::new(self.read(&key).await?);
        self.kept.insert(key, plan.clone());
        Ok(plan)
    }

    async fn read(&self, (tenant, app, workflow, version): &Key) -> Result<Plan, WorkflowError> {
        let key = workflow_version_key(tenant, app, workflow, *version);
        let Some((found, _)) = load::<WorkflowVersion>(&*self.records, &key).await? else {
            return Err(WorkflowError::NotPublished {
                app: app.clone(),
                workflow: workflow.clone(),
                version: *version,
            });
        };
        plan(&published(found, app, workflow, *version))
    }
}

/// A published version, of its record.
pub(in crate::workflows) fn published(
    found: WorkflowVersion,
    app: &AppId,
    workflow: &WorkflowId,
    version: u32,
) -> Published {
    let WorkflowVersion { definition, sha256, .. } = found;
    Published { app: app.clone(), workflow: workflow.to_string(), version, sha256, definition }
}

/// The plan of a published version. It was checked when it was published; a program that is older than that may not know all
/// that it says.
pub(in crate::workflows) fn plan(published: &Published) -> Result<Plan, WorkflowError> {
    let Published { app, workflow, version, .. } = published;
    published.plan().map_err(|problems| {
        WorkflowError::Unusable(format!(
            "version {version} of workflow `{workflow}` of app `{app}` can't be carried out: {problems}"
        ))
    })
}
