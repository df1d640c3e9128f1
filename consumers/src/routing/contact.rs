//! Whether a user can be reached on a channel at all, as their record has it.

use sendoff_events::Personal;
use sendoff_producers::model::{Channel, User};

use crate::channels::{PhoneNumber, email::EmailAddress};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// A mailbox.
    Email(EmailAddress),
    /// A phone: text messages and WhatsApp.
    Phone(PhoneNumber),
    /// Devices, by their registration tokens.
    Devices(Vec<Personal<String>>),
}

/// FCM's are about 160 characters long; what is far beyond is none.
const MAX_TOKEN: usize = 4096;

/// How to reach the user on this channel.
///
/// # Errors
///
/// Why they can't be: words for the ledger, without personal data.
pub fn contact(user: &User, channel: Channel) -> Result<Contact, &'static str> {
    match channel {
        Channel::Email => match &user.email {
            None => Err("the user has no email address"),
            Some(address) => {
                address.expose().parse().map(Contact::Email).map_err(|_| "the user's email address is not valid")
            }
        },
        Channel::Sms | Channel::Whatsapp => match &user.phone {
            None => Err("the user has no phone number"),
            Some(number) => {
                number.expose().parse().map(Contact::Phone).map_err(|_| "the user's phone number is not valid")
            }
        },
        Channel::Push => {
            let usable = |token: &&Personal<String>| is_token(token.expose());
            let tokens: Vec<_> = user.push_tokens.iter().filter(usable).cloned().collect();
            match (tokens.is_empty(), user.push_tokens.is_empty()) {
                (false, _) => Ok(Contact::Devices(tokens)),
                (true, true) => Err("the user has no device for push messages"),
                (true, false) => Err("the registration of the user's device is not valid"),
            }
        }
    }
}

impl Contact {
    /// What is suppressed when it is: the address as text. Devices aren't suppressed, they are forgotten.
    #[must_use]
    pub fn suppressible(&self) -> Option<&str> {
        match self {
            Self::Email(address) => Some(address.expose()),
            Self::Phone(number) => Some(number.expose()),
            Self::Devices(_) => None,
        }
    }
}

fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
