//! What was decided, as the event that tells of it.

use sendoff_events::{ApprovalDecided, Clock, EncodeError, Envelope, Origin, Outgoing, Rng, TenantId};
use sendoff_producers::model::{Approval, Decided};

use crate::load::run_correlation;

/// The event that tells of the decision; `version` is that of the approval's record, with which it is committed.
pub(crate) fn decided_event(
    tenant: &TenantId,
    approval: &Approval,
    decided: &Decided,
    version: u64,
    (clock, rng): (&dyn Clock, &dyn Rng),
) -> Result<Outgoing, EncodeError> {
    let data = ApprovalDecided {
        run: approval.run.clone(),
        instance: approval.instance.clone(),
        decision: decided.decision,
        by: decided.by.clone(),
        comment: decided.comment.clone(),
    };
    let origin = Origin {
        source: "/sendoff/approvals".into(),
        tenant: tenant.clone(),
        correlation: Some(run_correlation(&approval.run).into_owned()),
        causation: None,
        traceparent: None,
        // A person is where a chain begins.
        hops: 0,
    };
    let mut envelope = Envelope::new(data, origin, Some(version), clock, rng);
    // However much later it is told again.
    envelope.header.time = decided.at;
    envelope.encode()
}
