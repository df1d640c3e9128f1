//! The channels that tell people.

mod email;
mod push;
mod sms;
mod whatsapp;

use std::time::Duration;

pub use email::ByEmail;
pub use push::ByPush;
use sendoff_producers::model::Channel;
pub use sms::BySms;
pub use whatsapp::ByWhatsapp;

use crate::{Backoff, OnDoubt};

/// How long a message whose outcome is unknown is held, where it is: callbacks come within seconds, and lists of sent messages
/// are complete within minutes.
pub(super) const HOLD: Duration = Duration::from_secs(30 * 60);

/// How a message whose outcome is unknown is sent again, where it is: twice at most, and minutes apart. Its recipient may notice
/// each copy, and a server that broke off is seldom well again within seconds.
pub(super) const RESEND: OnDoubt = OnDoubt::ResendSeldom {
    times: 2,
    backoff: Backoff { base: Duration::from_secs(2 * 60), cap: Duration::from_secs(15 * 60) },
};

/// How long it may take until it is known for good whether a doubted message of this channel went out, once its consumer has
/// left off trying.
pub(super) const fn hold(channel: Channel) -> Duration {
    match channel {
        Channel::Sms | Channel::Whatsapp => HOLD,
        Channel::Email | Channel::Push => Duration::ZERO,
    }
}
