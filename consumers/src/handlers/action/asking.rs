//! An effect that is asked for something: what came of it is kept in the ledger, since the same call again is answered as the first.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Context, Effect, HandlerError, NotSent, OnDoubt, Policy, SendOutcome, Step, load};

/// The one step of such a call.
const STEP: &str = "call";
/// The reason when there is more to keep than can be.
pub(super) const TOO_LARGE: &str = "result-too-large";
/// The reason when what came back isn't what the call says it is.
pub(super) const MAPPING: &str = "response-mapping";

/// What the effect came to.
pub(super) enum Came {
    /// It was done, and told this, which [`fits`] into the ledger.
    Done(Map<String, Value>),
    /// It was done, but what it told is of no use.
    Unusable(Refusal),
    /// It was not done, and never will be.
    Refused(Refusal),
    /// It was not done, or nobody knows.
    Not(SendOutcome),
}

/// Why something is of no use: a stable word, and more in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The word: `response-mapping`, `result-too-large`.
    pub reason: &'static str,
    /// What is wrong. It holds no value that somebody has sent.
    pub why: String,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, why: impl Into<String>) -> Self {
        Self { reason, why: why.into() }
    }

    fn into_error(self) -> HandlerError {
        HandlerError::Reject { reason: self.reason.into(), source: self.why.into() }
    }
}

/// What stands in the ledger of what was done.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kept {
    /// What was told.
    Outputs(Map<String, Value>),
    /// It told something that is of no use. It isn't done again for that.
    Unusable {
        /// The word.
        reason: String,
        /// What is wrong.
        why: String,
    },
}

/// How such a call is run: where nobody can tell whether it was done a person decides.
pub(super) const fn policy(effect: Effect, timeout: std::time::Duration) -> Policy {
    let on_doubt = OnDoubt::Hold { window: std::time::Duration::ZERO };
    Policy { timeout, effect, on_doubt, ..Policy::DEFAULT }
}

/// How far an effect reaches.
pub(super) enum Reach {
    /// Within the system: it happens in a load test too.
    Inside,
    /// Beyond it: in a load test nothing is asked, and this is what came of it.
    Outside(Map<String, Value>),
}

/// Runs the effect as [`Context::once`] does. `by` is who does it.
pub(super) async fn ask<F, Fut>(cx: &Context, by: &'static str, reach: Reach, effect: F) -> Result<(), HandlerError>
where
    F: FnOnce(String) -> Fut + Send,
    Fut: Future<Output = Came> + Send,
{
    if let Reach::Outside(outputs) = reach
        && cx.is_of_load_test()
    {
        cx.once(STEP, |_| async { load::sunk() }).await?;
        return keep(cx, Some(Kept::Outputs(outputs)));
    }
    let (mut kept, mut refused) = (None, None);
    let (keeping, refuse) = (&mut kept, &mut refused);
    let done = cx.once(STEP, |key| async move {
        let sent = || SendOutcome::Sent { provider: Some(by.into()), provider_id: None };
        match effect(key).await {
            Came::Done(outputs) => {
                *keeping = Some(Kept::Outputs(outputs));
                sent()
            }
            Came::Unusable(Refusal { reason, why }) => {
                *keeping = Some(Kept::Unusable { reason: reason.to_owned(), why });
                sent()
            }
            Came::Refused(refusal) => {
                let reason = refusal.why.clone();
                *refuse = Some(refusal);
                SendOutcome::NotSent(NotSent::Permanent { reason })
            }
            Came::Not(outcome) => outcome,
        }
    });
    match (done.await, refused) {
        (Err(HandlerError::Reject { .. }), Some(refusal)) => return Err(refusal.into_error()),
        (Err(error), _) => return Err(error),
        (Ok(_), _) => {}
    }
    keep(cx, kept)
}

/// Keeps what came of it, if it came just now, and judges what is kept.
fn keep(cx: &Context, kept: Option<Kept>) -> Result<(), HandlerError> {
    if let Some(kept) = kept {
        let kept =
            serde_json::to_value(kept).map_err(|error| Refusal::new(TOO_LARGE, error.to_string()).into_error())?;
        cx.keep(STEP, kept);
    }
    match cx.kept(STEP).map(serde_json::from_value) {
        Some(Ok(Kept::Unusable { reason, why })) => {
            Err(HandlerError::Reject { reason: Cow::Owned(reason), source: why.into() })
        }
        _ => Ok(()),
    }
}

/// Whether there is room for these outputs in the ledger.
pub(super) fn fits(outputs: &Map<String, Value>) -> Result<(), Refusal> {
    let size = serde_json::to_string(outputs).map_or(usize::MAX, |text| text.len());
    // What stands around them.
    let most = Step::MAX_RESULT - 64;
    if size <= most {
        return Ok(());
    }
    Err(Refusal::new(
        TOO_LARGE,
        format!("what came back has {size} bytes, more than the {most} that are kept: ask for less"),
    ))
}
