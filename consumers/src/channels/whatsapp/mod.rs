//! WhatsApp messages.

pub mod meta;
mod twilio;

use std::fmt;

use sendoff_events::Personal;

use super::PhoneNumber;
pub use meta::{MetaSettings, MetaSettingsError, MetaWhatsapp};
pub use twilio::TwilioWhatsapp;

/// A WhatsApp message to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Whatsapp {
    /// Who gets it.
    pub to: Personal<PhoneNumber>,
    /// What it says.
    pub content: WhatsappContent,
    /// `consumer/event-id/step`: the same for each attempt at the same message. Providers tell by it what becomes of it.
    pub idempotency_key: String,
}

/// What a WhatsApp message says.
#[derive(Clone, PartialEq, Eq)]
pub enum WhatsappContent {
    /// Any text. Arrives only within 24 hours of the recipient's last message to us.
    Text(String),
    /// A template that Meta has approved. Arrives at any time.
    Template(WhatsappTemplate),
}

/// A template that Meta has approved, and what stands in its places.
#[derive(Clone, PartialEq, Eq)]
pub struct WhatsappTemplate {
    /// Its name at Meta: `app_assigned`.
    pub name: String,
    /// Its language at Meta: `en`, `de`.
    pub language: String,
    /// Its id at Twilio: `HX…`, if it is sent through Twilio.
    pub content_sid: Option<String>,
    /// What stands in the places `{{1}}`, `{{2}}`, … of its body, in order.
    pub parameters: Vec<String>,
    /// The same as a text: what the recipient reads, for previews and for providers without templates.
    pub text: String,
}

impl fmt::Debug for Whatsapp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whatsapp").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}
