//! Why a letter failed, in one vocabulary for all who put letters there.
//!
//! | reason | shape | what it says |
//! |---|---|---|
//! | any of a consumer's or reaction's | own, change | as our own failure says it: `bad-template`, `attempts-exhausted`, … |
//! | `receive-count-exceeded` | redriven | SQS moved it: it was received too often without being deleted. Nobody said why |
//! | `undelivered` | undelivered, notification | SNS could not put it into the queue. Nobody said why |
//! | the error's type in lower case: `runtime-exit-error` | Lambda, stream | the function failed with it |
//! | `timed-out` | Lambda | the function took longer than it may |
//! | `throttled` | Lambda, asynchronous | it was never run: all of the function's concurrency was taken |
//! | `function-error` | Lambda, stream | the function failed, with no type |
//! | `event-too-old` | Lambda | it waited longer than the function's events may |
//! | `record-too-old` | stream | the records were older than the mapping takes |
//! | `retries-exhausted` | Lambda, stream | the retries are used up, and nobody said why |
//!
//! Letters that nothing is known of have no failure.

use sendoff_consumers::{Class, DeadLetter, Failure, fingerprint, scrub};

use super::{FailureFacts, Shape, wrap::LambdaTold};

/// The longest reason and fingerprint that are kept of what somebody else wrote.
const LONGEST_WORD: usize = 120;

impl From<Failure> for FailureFacts {
    fn from(failure: Failure) -> Self {
        // Whoever can put a message into the queue can write a failure: it is hostile like all else.
        Self {
            reason: plain(&failure.reason),
            class: Some(failure.class),
            fingerprint: plain(&failure.fingerprint),
            attempts: Some(failure.attempts),
            first_at: Some(failure.first_at),
            last_at: Some(failure.last_at),
            error: scrub(&failure.error),
        }
    }
}

/// The failure of a letter that nobody gave a cause.
pub(super) fn without_cause(shape: Shape, letter: &DeadLetter) -> Option<FailureFacts> {
    let (reason, error) = match shape {
        Shape::Redriven => {
            let source = letter.source.as_deref().unwrap_or("its queue");
            let source = source.rsplit(':').next().unwrap_or(source);
            let error = format!(
                "received {} times from `{}` without being deleted, and moved by SQS; nobody said why",
                letter.receive_count,
                plain(source)
            );
            ("receive-count-exceeded", error)
        }
        Shape::Undelivered | Shape::Notification => {
            ("undelivered", "SNS could not put it into the queue; nobody said why".to_owned())
        }
        _ => return None,
    };
    Some(facts(reason, &error, None))
}

/// The failure that Lambda tells a destination.
pub(super) fn of_destination(told: &LambdaTold) -> FailureFacts {
    let message = told.error_message.as_deref();
    let (reason, class) = match told.condition.as_deref() {
        Some("EventAgeExceeded") => ("event-too-old".to_owned(), None),
        Some("RecordAgeExceeded" | "MaximumRecordAgeExceeded") => ("record-too-old".to_owned(), None),
        _ if told.error_type.is_some() || message.is_some() || told.function_error.is_some() => {
            of_function(told.error_type.as_deref(), message.unwrap_or_default())
        }
        _ => ("retries-exhausted".to_owned(), None),
    };
    let error = message.or(told.function_error.as_deref()).or(told.condition.as_deref());
    let error = error.unwrap_or("Lambda gave no reason");
    FailureFacts { attempts: told.invocations, last_at: told.at, ..facts(&reason, error, class) }
}

/// The failure that Lambda puts beside an event: an HTTP status and the first kilobyte of the error.
pub(super) fn of_async(code: Option<&str>, message: &str) -> FailureFacts {
    let (reason, class) = match code {
        Some("429") => ("throttled".to_owned(), Some(Class::Deferred)),
        _ => of_function(None, message),
    };
    facts(&reason, message, class)
}

fn of_function(error_type: Option<&str>, message: &str) -> (String, Option<Class>) {
    let word = error_type.map(word).filter(|word| !word.is_empty());
    if message.contains("Task timed out after") || word.as_deref() == Some("sandbox-timedout") {
        return ("timed-out".to_owned(), Some(Class::TimedOut));
    }
    (word.unwrap_or_else(|| "function-error".to_owned()), None)
}

/// A type's name as a reason: `Runtime.ExitError` is `runtime-exit-error`.
fn word(name: &str) -> String {
    let mut word = String::new();
    let mut after_lower = false;
    for character in name.chars().take(LONGEST_WORD) {
        if character.is_ascii_alphanumeric() {
            if character.is_ascii_uppercase() && after_lower {
                word.push('-');
            }
            word.push(character.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
    }
    word.trim_end_matches('-').to_owned()
}

fn facts(reason: &str, error: &str, class: Option<Class>) -> FailureFacts {
    FailureFacts {
        reason: reason.to_owned(),
        class,
        fingerprint: fingerprint(reason, error),
        attempts: None,
        first_at: None,
        last_at: None,
        error: scrub(error),
    }
}

/// A word of somebody else, on one line and not too long.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(LONGEST_WORD).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
