//! What was posted: which button, and what was said about it.

use sendoff_events::{Decision, Personal};

use crate::callbacks::{
    answer::Refusal,
    body::{fields, value},
};

/// The most characters of a comment.
pub(super) const MAX_COMMENT: usize = 2000;

/// What somebody wants to be decided.
pub(super) struct Wanted {
    pub(super) decision: Decision,
    pub(super) comment: Option<Personal<String>>,
}

/// What is wrong with the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It says neither yes nor no.
    NoDecision,
    /// The comment is too long.
    LongComment,
}

/// The form, or what is wrong with it. A comment keeps its lines; other control characters and those that override the direction
/// of text, which could make it look like another one, are taken out.
pub(super) fn read(form: &[u8]) -> Result<Result<Wanted, Wrong>, Refusal> {
    let fields = fields(form)?;
    let decision = match value(&fields, "decision") {
        Some("approved") => Decision::Approved,
        Some("rejected") => Decision::Rejected,
        _ => return Ok(Err(Wrong::NoDecision)),
    };
    let comment: String = value(&fields, "comment").unwrap_or_default().chars().filter(|c| is_shown(*c)).collect();
    let comment = comment.trim();
    if comment.chars().count() > MAX_COMMENT {
        return Ok(Err(Wrong::LongComment));
    }
    let comment = (!comment.is_empty()).then(|| Personal::new(comment.to_owned()));
    Ok(Ok(Wanted { decision, comment }))
}

fn is_shown(c: char) -> bool {
    let overrides = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c == '\n' || c == '\t' || !(c.is_control() || overrides)
}
