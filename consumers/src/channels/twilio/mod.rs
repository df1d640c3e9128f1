//! Twilio's Messages API, through which text messages and WhatsApp messages go
//! (<https://www.twilio.com/docs/messaging/api/message-resource>).
//!
//! It knows no idempotency key: what was posted twice is sent twice. So nothing is posted a second time unless it is certain
//! that the first one wasn't taken, and what each answer means is written in one table: `classify.rs`.
//!
//! # What `find` can tell
//!
//! After a doubt Twilio is asked for its list of messages to the recipient. A *candidate* is an outgoing one that came to be a
//! minute before the first attempt began or later, but for those that this process knows to be other deliveries'.
//!
//! - **Not sent**: there is no candidate at all, whatever its text, in the whole list, all pages of it and without a filter by
//!   date (a message that still waits at Twilio has no date of sending); and the last attempt was a minute ago.
//! - **Sent** (or **failed**, where Twilio has given it up): there is exactly one candidate, from our sender and of exactly this
//!   text, *and* it can't be another delivery's of the same text: no other process sends through this account
//!   ([`TwilioSettings::only_sender`]), this process has been running since before that message came to be, and no other
//!   delivery of its own to the same recipient is in doubt or under way.
//! - **Can't tell**: everything else: several candidates, another text (Twilio may have changed ours: smart encoding, link
//!   shortening, the prefix of trial accounts), more than 500 messages, an error, too early.

mod attempts;
mod classify;
mod client;
mod find;
mod listing;
mod sender;
mod settings;
mod status;

pub use classify::{describe, is_gone};
pub(crate) use client::{Route, Twilio};
pub(crate) use sender::is_sid;
pub use sender::{TwilioSender, TwilioSenderError};
pub use settings::{AccountSid, AccountSidError, TwilioSettings, TwilioSettingsError};
pub use status::status;

/// As it stands in the ledger.
pub(crate) const NAME: &str = "twilio";

/// The most characters that a text may have (Twilio: code 21617).
pub(crate) const MAX_TEXT: usize = 1600;
