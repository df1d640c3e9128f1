//! Who messages come from.

use std::{fmt, str::FromStr};

use crate::channels::{PhoneError, PhoneNumber};

/// The sender of messages at Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwilioSender {
    /// A phone number of the account: `+4930123456`.
    Number(PhoneNumber),
    /// A short code of the account: 3 to 8 digits.
    ShortCode(String),
    /// A name that recipients see instead of a number and can't answer to: at most 11 letters, digits, spaces and `+-_&`,
    /// at least one of them a letter. Not every country lets it through.
    Alphanumeric(String),
    /// A Messaging Service, which chooses among its senders: `MG…`.
    Service(String),
}

/// The text is no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwilioSenderError {
    /// It is empty.
    #[error(
        "no sender is given: name a phone number such as +4930123456, a short code, a name of up to 11 letters, or a Messaging Service (MG…)"
    )]
    Empty,
    /// It begins like a phone number, but isn't one.
    #[error("the sender begins with +, but {0}")]
    Number(#[from] PhoneError),
    /// It begins like a Messaging Service, but isn't one.
    #[error("the Messaging Service `{0}` is not an SID: MG and 32 hexadecimal digits")]
    Service(String),
    /// It is a number that can't be one of the account's.
    #[error(
        "the sender `{0}` is neither a short code, which has 3 to 8 digits, nor a phone number, which begins with +"
    )]
    Digits(String),
    /// It is too long, or holds what a name may not hold.
    #[error("the sender `{0}` is not a name of at most 11 letters, digits, spaces and + - _ &")]
    Name(String),
    /// It is no address at WhatsApp.
    #[error(
        "WhatsApp messages come from a phone number such as +4930123456 or a Messaging Service (MG…), not from `{0}`"
    )]
    NotOnWhatsapp(String),
    /// It is written as a WhatsApp address where none is wanted.
    #[error("the sender of text messages is written without `whatsapp:`")]
    Whatsapp,
}

impl TwilioSender {
    /// A sender of WhatsApp messages: a phone number, with or without Twilio's `whatsapp:` before it, or a Messaging Service.
    ///
    /// # Errors
    ///
    /// [`TwilioSenderError`] for anything else.
    pub fn for_whatsapp(text: &str) -> Result<Self, TwilioSenderError> {
        let sender: Self = text.strip_prefix(WHATSAPP).unwrap_or(text).parse()?;
        sender.on_whatsapp()
    }

    /// The same sender, if it can send WhatsApp messages.
    pub(crate) fn on_whatsapp(self) -> Result<Self, TwilioSenderError> {
        match self {
            Self::Number(_) | Self::Service(_) => Ok(self),
            Self::ShortCode(text) | Self::Alphanumeric(text) => Err(TwilioSenderError::NotOnWhatsapp(text)),
        }
    }
}

/// What stands before a number to make it an address at WhatsApp.
pub(crate) const WHATSAPP: &str = "whatsapp:";

/// Whether the text is an SID of this kind: two letters and 32 hexadecimal digits.
pub(crate) fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl FromStr for TwilioSender {
    type Err = TwilioSenderError;

    fn from_str(text: &str) -> Result<Self, TwilioSenderError> {
        let owned = || text.chars().take(80).collect::<String>();
        let is_service = text.len() > 11 && text.starts_with("MG");
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b" +-_&".contains(&b);
        match text {
            "" => Err(TwilioSenderError::Empty),
            _ if text.starts_with(WHATSAPP) => Err(TwilioSenderError::Whatsapp),
            _ if text.starts_with('+') => Ok(Self::Number(text.parse()?)),
            _ if is_sid(text, "MG") => Ok(Self::Service(text.to_owned())),
            _ if is_service => Err(TwilioSenderError::Service(owned())),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => match text.len() {
                3..=8 => Ok(Self::ShortCode(text.to_owned())),
                _ => Err(TwilioSenderError::Digits(owned())),
            },
            _ if text.len() <= 11 && text.bytes().all(in_name) && text.bytes().any(|b| b.is_ascii_alphabetic()) => {
                Ok(Self::Alphanumeric(text.to_owned()))
            }
            _ => Err(TwilioSenderError::Name(owned())),
        }
    }
}

impl fmt::Display for TwilioSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number(number) => number.expose(),
            Self::ShortCode(text) | Self::Alphanumeric(text) | Self::Service(text) => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_sender_is_told_by_its_form() {
        let service = "MG0123456789abcdef0123456789ABCDEF";
        for (text, expected) in [
            ("+4930123456", TwilioSender::Number("+4930123456".parse().unwrap())),
            ("12345", TwilioSender::ShortCode("12345".into())),
            ("Acme Apps", TwilioSender::Alphanumeric("Acme Apps".into())),
            ("MG", TwilioSender::Alphanumeric("MG".into())),
            (service, TwilioSender::Service(service.into())),
        ] {
            assert_eq!(text.parse::<TwilioSender>().unwrap(), expected);
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, why) in [
            ("", "no sender is given"),
            ("+49 30", "only digits"),
            ("12", "3 to 8 digits"),
            ("4930123456", "begins with +"),
            ("Acme Apps Incorporated", "at most 11"),
            ("Acme!", "at most 11"),
            ("Acmé", "at most 11"),
            ("MG0123456789", "32 hexadecimal digits"),
            ("MG0123456789abcdef0123456789ABCDEG", "32 hexadecimal digits"),
            ("whatsapp:+4930123456", "without `whatsapp:`"),
        ] {
            let error = text.parse::<TwilioSender>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn whatsapp_messages_come_from_numbers_and_services_only() {
        for text in ["+4930123456", "whatsapp:+4930123456"] {
            assert_eq!(TwilioSender::for_whatsapp(text).unwrap().to_string(), "+4930123456");
        }
        for text in ["12345", "Acme"] {
            let error = TwilioSender::for_whatsapp(text).unwrap_err();
            assert!(error.to_string().contains("WhatsApp messages come from"), "{error}");
        }
    }
}
