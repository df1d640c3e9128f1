//! Messages during development: a mail server and the APIs of the other channels' providers inside the process, which take
//! everything and send nothing on, and where they keep it.

mod address;
mod command;
mod connection;
mod data;
mod http;
mod line;
mod mailbox;
mod messages;
mod session;
mod shelf;
mod smtp;

#[cfg(test)]
mod tests;

pub use http::{HttpSink, SINK_SENDER, SinkAccounts, WEBHOOK_SECRET};
pub use mailbox::{Mailbox, ReceivedMail};
pub use messages::{Messages, NoSuchChannel, ReceivedMessage, SinkChannel};
pub use shelf::ShelfError;
pub use smtp::{SinkLimits, SmtpSink};
