//! Text messages.

mod segments;
pub(super) mod twilio;

use std::fmt;

use sendoff_events::Personal;

use super::PhoneNumber;
pub use segments::{Encoding, Segments, segments};
pub use twilio::TwilioSms;

/// A text message to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// Who gets it.
    pub to: Personal<PhoneNumber>,
    /// The text.
    pub text: String,
    /// `consumer/event-id/step`: the same for each attempt at the same message. Providers tell by it what becomes of it.
    pub idempotency_key: String,
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}
