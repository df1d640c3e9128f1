//! Who is told of what, and how: one set of rules, as data, for all channels.
//!
//! A rule belongs to an event. It says to whom a notice goes, by which template, and on which channels: a list of chains, each
//! of which is tried from its beginning until somebody was told. `[["push"], ["whatsapp", "sms", "email"]]` is a push message,
//! and beside it a WhatsApp message or, where there can be none, a text message or, failing that, a mail.
//!
//! Each channel has a consumer and a queue of its own, and each looks at the same rules when it is about to send: nothing is
//! decided beforehand that could be out of date by then. They don't talk to each other: a later channel of a chain reads in the
//! inbox what became of the earlier ones (see `docs/adr/0014-routing-by-ledger.md`).

mod check;
mod contact;
mod decide;
mod quiet;
mod rules;
mod standing;

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod quiet_tests;
#[cfg(test)]
mod rules_tests;

pub use contact::{Contact, contact};
pub(crate) use decide::suppressed;
pub use decide::{Case, Decision, Earlier, decide};
pub use quiet::{DamagedQuietHours, quiet_until};
pub use rules::{Routing, RoutingError, Rule, To};
pub use standing::{Standing, standing};
