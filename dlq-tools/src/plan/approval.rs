//! That somebody else has looked at a plan.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use sendoff_consumers::{Audit, AuditDigest, AuditError, AuditNote, check_chain};
use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

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

/// Who else has approved exactly this plan, by the audit: a file beside a plan is too easily written. Only entries of the chain
/// count.
///
/// # Errors
///
/// [`AuditError`], also when the chain is broken.
pub async fn approvals(plan: &Cover, audit: &dyn Audit) -> Result<Vec<String>, AuditError> {
    const PAGE: usize = 1000;
    let (mut by, mut after, mut digest): (Vec<String>, _, _) = (Vec::new(), 0, AuditDigest::NONE);
    loop {
        let page = audit.entries(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(by) };
        check_chain(digest, after + 1, &page)
            .map_err(|broken| AuditError::Damaged(format!("entry {}: {}; see dlq audit", broken.seq, broken.why)))?;
        (after, digest) = (last.seq, last.digest);
        for entry in page {
            let who = entry.note.who;
            let counts = entry.is_sealed && entry.note.action == ACTION && entry.note.target == target(plan);
            if counts && !is_same_person(&who, &plan.head().by) && !by.iter().any(|known| is_same_person(known, &who)) {
                by.push(who);
            }
        }
    }
}

/// Whether two names are the same but for how they are written: capitals, blanks, characters that nobody sees, and other forms of a
/// character such as full-width letters (NFKC, <https://www.unicode.org/reports/tr15/>).
pub(crate) fn is_same_person(one: &str, other: &str) -> bool {
    let written = |name: &str| {
        let seen = name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_unseen(*c));
        seen.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
    };
    written(one) == written(other)
}

/// Whether nobody sees a character: it is steering, joins others, or has no width.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
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

#[cfg(test)]
mod tests {
    use super::is_same_person;

    #[test]
    fn a_name_is_the_same_however_it_is_written() {
        let names = [
            "grace ",
            " grace",
            "Grace",
            "GRACE",
            "gr\u{200b}ace",
            "grace\u{200d}",
            "\u{feff}grace",
            "grace\u{a0}",
            "gra\u{ad}ce",
        ];
        for name in names {
            assert!(is_same_person("grace", name), "{name:?}");
        }
        assert!(is_same_person("Grace  Hopper", "grace hopper"));
        for (one, other) in [
            ("grace", "ｇｒａｃｅ"),
            ("Grace Hopper", "Ｇｒａｃｅ\u{3000}ＨＯＰＰＥＲ"),
            ("grace", "𝐠𝐫𝐚𝐜𝐞"),
            ("sofie", "soﬁe"),
            ("rené", "rene\u{301}"),
            ("rené", "rene\u{200b}\u{301}"),
        ] {
            assert!(is_same_person(one, other), "{other:?}");
        }
        for other in ["ada", "grace2", "gracé", "g race", ""] {
            assert!(!is_same_person("grace", other), "{other:?}");
        }
    }
}
