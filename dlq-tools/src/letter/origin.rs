//! What a message was like before a consumer of ours moved it, as its failure tells.

use sendoff_consumers::{Attributes, DeadLetter, FAILURE_ATTRIBUTE, Failure};
use sendoff_events::Timestamp;
use serde::Deserialize;

/// Our failure, and what our queue on AWS writes beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) failure: Failure,
    /// When it was first put into its queue.
    pub(super) sent_at: Option<Timestamp>,
    /// All its attributes, when they found no place beside the failure.
    pub(super) attributes: Option<Attributes>,
}

/// What stands beside the failure. It is read by itself: to read both at once would copy each of their fields first.
#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    sent_at: Option<Timestamp>,
    #[serde(default)]
    attributes: Option<Attributes>,
}

impl Own {
    /// What the letter's failure says, when it is one of ours.
    pub(super) fn of(letter: &DeadLetter) -> Option<Self> {
        let text = letter.attributes.get(FAILURE_ATTRIBUTE)?;
        let failure = serde_json::from_str(text).ok()?;
        let Beside { sent_at, attributes } = serde_json::from_str(text).ok()?;
        Some(Self { failure, sent_at, attributes })
    }
}

/// The attributes that found no place beside our failure, where all else that it tells is known already.
pub(super) fn folded(letter: &DeadLetter) -> Option<Attributes> {
    serde_json::from_str::<Beside>(letter.attributes.get(FAILURE_ATTRIBUTE)?).ok()?.attributes
}

/// An attribute as it was before the letter was made: beside the failure, or within it.
pub(super) fn attribute<'a>(letter: &'a DeadLetter, own: Option<&'a Own>, name: &str) -> Option<&'a str> {
    let folded = || own?.attributes.as_ref()?.get(name);
    letter.attributes.get(name).or_else(folded).map(String::as_str)
}
