//! Mail during development: an SMTP server inside the process that takes every mail and sends none on, and the mailbox it
//! fills.

mod address;
mod command;
mod connection;
mod data;
mod line;
mod mailbox;
mod session;
mod smtp;

#[cfg(test)]
mod tests;

pub use mailbox::{Mailbox, MailboxError, ReceivedMail};
pub use smtp::{SinkLimits, SmtpSink};
