//! Idempotency keys: `consumer/event-id`, and `consumer/event-id/step` towards providers.

use std::{fmt, str::FromStr};

use sendoff_events::EventId;

/// Whose work on which event: `email/0193…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    text: String,
    consumer: usize,
}

/// The text is not an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("idempotency key `{0}` is not valid: it reads `consumer/event-id`")]
pub struct KeyError(String);

impl IdempotencyKey {
    /// The key of `consumer`'s work on `event`.
    #[must_use]
    pub fn new(consumer: &str, event: EventId) -> Self {
        Self { text: format!("{consumer}/{event}"), consumer: consumer.len() }
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The consumer's name.
    #[must_use]
    pub fn consumer(&self) -> &str {
        &self.text[..self.consumer]
    }

    /// The key of one step, as providers get it: `consumer/event-id/step`.
    #[must_use]
    pub fn step(&self, step: &str) -> String {
        format!("{}/{step}", self.text)
    }
}

impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError(text.chars().take(120).collect());
        let (consumer, event) = text.split_once('/').ok_or_else(error)?;
        let event: EventId = event.parse().map_err(|_| error())?;
        if consumer.is_empty() { Err(error()) } else { Ok(Self::new(consumer, event)) }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
