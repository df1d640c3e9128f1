//! Email.

mod address;
mod classify;
mod message;
mod pool;
mod provider_id;
mod session;
mod smtp;
mod smtp_settings;
mod smtp_url;
mod wire;

#[cfg(test)]
mod scripted_peer;
#[cfg(test)]
mod smtp_tests;

use std::fmt;

pub use address::{AddressError, EmailAddress, Sender};
pub use message::{MessageError, message_id};
use sendoff_events::{Personal, Timestamp};
pub use smtp::SmtpProvider;
pub use smtp_settings::{SmtpSettings, SmtpSettingsError, SmtpTimeouts};
pub use smtp_url::{SmtpCredentials, SmtpTls, SmtpUrl, SmtpUrlError};

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it.
    pub to: Personal<EmailAddress>,
    /// Who it is from.
    pub from: Sender,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<EmailAddress>,
    /// The subject. Must be one line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part, saying the same.
    pub text: String,
    /// `consumer/event-id/step`: the same for each attempt at the same mail.
    pub idempotency_key: String,
    /// The moment that stands in its `Date` header.
    pub date: Timestamp,
    /// The https address that unsubscribes the recipient when something is POSTed to it (RFC 8058).
    pub list_unsubscribe: Option<String>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Subject and body are as personal as the address.
        f.debug_struct("Mail").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}
