//! Versions of a workflow that can be run.

use sendoff_events::AppId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Definition, Plan, Problem, Problems};

/// A version of a workflow. It never changes, and a run keeps the one that it was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Whose submissions it is about.
    pub app: AppId,
    /// The workflow's name.
    pub workflow: String,
    /// Which version it is, from 1.
    pub version: u32,
    /// SHA-256 of [`Definition::canonical`], in 64 small hexadecimal digits: two versions that say the same have the same.
    pub sha256: String,
    /// The definition as JSON.
    pub definition: Value,
}

impl Published {
    /// The definition as this version of its workflow.
    ///
    /// # Errors
    ///
    /// All that is wrong with it: what can't be run isn't published.
    pub fn of(definition: &Definition, version: u32) -> Result<Self, Problems> {
        let plan = Plan::of(definition)?;
        Ok(Self {
            app: plan.app,
            workflow: plan.name,
            version,
            sha256: sha256(definition),
            definition: definition.to_value(),
        })
    }

    /// What this version does.
    ///
    /// # Errors
    ///
    /// What is wrong with it. It was right when it was published, so it was changed where it is kept, or is of a release that knows
    /// more.
    pub fn plan(&self) -> Result<Plan, Problems> {
        let definition = Definition::of(self.definition.clone())?;
        if sha256(&definition) != self.sha256 {
            let message = format!(
                "version {} of `{}` isn't what was published: its hash is another",
                self.version, self.workflow
            );
            return Err(Problems(vec![Problem::new("", message).help("publish it again as a new version")]));
        }
        Plan::of(&definition)
    }
}

/// The hash of what a definition says.
fn sha256(definition: &Definition) -> String {
    Sha256::digest(definition.canonical()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Definition {
        let json = json!({ "workflow": "w", "app": "a", "on": [{ "manual": true }], "steps": [{ "id": "end", "stop": true }] });
        Definition::of(json).unwrap()
    }

    #[test]
    fn a_version_is_kept_and_read_as_it_was_published() {
        let published = Published::of(&definition(), 3).unwrap();
        let kept: Published = serde_json::from_str(&serde_json::to_string(&published).unwrap()).unwrap();
        assert_eq!(kept, published);
        assert_eq!(kept.plan().unwrap(), Plan::of(&definition()).unwrap());
        assert_eq!(published.sha256.len(), 64);
        assert_eq!(published.sha256, Published::of(&definition(), 4).unwrap().sha256);
    }

    #[test]
    fn a_version_that_was_changed_where_it_is_kept_is_refused() {
        let mut published = Published::of(&definition(), 3).unwrap();
        published.definition["steps"][0]["id"] = "other".into();
        assert!(published.plan().unwrap_err().to_string().contains("isn't what was published"));
    }

    #[test]
    fn what_can_not_be_run_is_not_published() {
        let mut definition = definition();
        definition.steps.clear();
        assert!(Published::of(&definition, 1).is_err());
    }
}
