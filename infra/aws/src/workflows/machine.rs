//! What state machines and executions are called.

use sendoff_events::{AppId, TenantId, WorkflowId};
use sha2::{Digest as _, Sha256};

use crate::Store;

/// So much of a workflow's name stands in that of its machine, for people; what tells them apart is the hash.
const WORD: usize = 24;

impl Store {
    /// The name of a workflow's machine: `{prefix}-{the workflow's name}-{16 digits of a hash}`, at most 80 characters.
    pub(crate) fn machine_name(&self, tenant: &TenantId, app: &AppId, workflow: &WorkflowId) -> String {
        let digest = Sha256::digest(format!("{tenant}/{app}/{workflow}"));
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let word: String = workflow.as_str().chars().take(WORD).collect();
        format!("{}-{word}-{digest}", self.resources.runs_prefix)
    }

    /// The ARN of a machine. It stands in the account of the role that its runs act under.
    pub(crate) fn machine_arn(&self, machine: &str) -> String {
        self.arn("stateMachine", machine)
    }

    /// The ARN of a run's execution, whatever version it is of.
    pub(crate) fn execution_arn(&self, machine: &str, run: &str) -> String {
        self.arn("execution", &format!("{machine}:{run}"))
    }

    fn arn(&self, kind: &str, name: &str) -> String {
        // arn:PARTITION:iam::ACCOUNT:role/NAME
        let mut role = self.resources.runs_role_arn.split(':');
        let (partition, account) = (role.nth(1).unwrap_or("aws"), role.nth(2).unwrap_or_default());
        format!("arn:{partition}:states:{}:{account}:{kind}:{name}", self.aws.region())
    }
}

/// Whether a run can be called so.
pub(super) fn is_run_name(name: &str) -> bool {
    (1..=80).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
