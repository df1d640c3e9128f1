//! The jobs that come with Sendoff: telling people, and calling webhooks.
//!
//! [`Tell`] tells people of an event on one channel. It is put together from a [`Notice`] (what happened, whom it concerns) and
//! a [`Way`] (the channel), so that a new event or a new channel is one short file.
//!
//! What is looked at, in this order, for each recipient: the rules and what is remembered of the user; what the ledgers of *all*
//! channels before this one in its chain say, since what one of them has sent counts also when it can't be used any more; and,
//! right before a message goes, the records themselves, so that a STOP counts at once. How long one channel waits for another is
//! counted from when its own job began. A doubt that no message belongs to any more is left to a person, not tried again.

pub mod action;
mod desk;
mod forget;
mod letter;
pub(crate) mod look_up;
mod notice;
mod notices;
mod post;
mod tell;
mod turn;
mod way;
mod ways;
mod webhooks;
mod with;

#[cfg(test)]
pub(crate) mod doubles;
#[cfg(test)]
mod tests;

pub use desk::Desk;
pub use notice::{Notice, Story};
pub use tell::Tell;
pub use way::{Address, Draft, Way, Writing};
pub use ways::{ByEmail, ByPush, BySms, ByWhatsapp};
pub use webhooks::{CallWebhooks, OfApp};
pub use with::{with_email, with_push, with_sms, with_webhook, with_whatsapp};
