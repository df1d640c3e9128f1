//! That somebody else has looked at a plan.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use sendoff_consumers::{Audit, AuditError, AuditNote};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cover, PlanError};

/// How the file of approvals beside a plan ends.
pub(crate) const APPROVALS: &str = ".approvals";

/// What an approval is called in the audit.
const ACTION: &str = "approve";

/// Somebody has looked at a plan, and means that it should be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The plan's hash.
    pub hash: String,
    /// Who, as they said.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Writes an approval into the audit and, for whoever reads the plan, into a file beside it.
///
/// # Errors
///
/// [`PlanError::Io`] in the inner result when the file can't be written: the audit, which counts, has it then.
pub async fn approve(
    plan: &Cover,
    by: &str,
    because: &str,
    audit: &dyn Audit,
) -> Result<Result<Approval, PlanError>, AuditError> {
    let note = AuditNote {
        who: by.to_owned(),
        action: ACTION.to_owned(),
        event: None,
        target: target(plan),
        because: because.to_owned(),
    };
    let entry = audit.append(&note).await?;
    let approval = Approval { hash: plan.hash().to_owned(), by: by.to_owned(), at: entry.at };
    let path = beside(plan.path());
    let line = serde_json::to_string(&approval).unwrap_or_default() + "\n";
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(line.as_bytes()));
    Ok(written.map(|()| approval).map_err(|source| PlanError::Io { path, source }))
}

/// Who else has approved exactly this plan, by the audit: a file beside a plan is too easily written.
///
/// # Errors
///
/// [`AuditError`].
pub async fn approvals(plan: &Cover, audit: &dyn Audit) -> Result<Vec<String>, AuditError> {
    const PAGE: usize = 1000;
    let (mut by, mut after) = (Vec::new(), 0);
    loop {
        let page = audit.entries(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(by) };
        after = last.seq;
        for entry in page {
            let who = entry.note.who;
            let counts = entry.note.action == ACTION && entry.note.target == target(plan);
            if counts && who != plan.head().by && !by.contains(&who) {
                by.push(who);
            }
        }
    }
}

fn target(plan: &Cover) -> String {
    format!("plan {}", plan.hash())
}

/// The file of approvals beside a plan: named after it, and never the plan itself.
fn beside(plan: &Path) -> PathBuf {
    let mut name = plan.file_name().unwrap_or_default().to_owned();
    name.push(APPROVALS);
    plan.with_file_name(name)
}
