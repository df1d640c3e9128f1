//! Addresses that nothing is sent to any more.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Channel, Stored, deployment};
use crate::RecordKey;

/// An address that nothing is sent to any more, whoever's it is; or was, until its owner wished otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Why.
    pub reason: SuppressionReason,
    /// Since when, RFC 3339; once it is lifted, since when that is.
    pub at: String,
    /// Who said so: `twilio`, `meta`, `ses`.
    pub source: String,
    /// Whether the owner has wished for messages again (START). The record stays, so that an older wish that comes late is known
    /// to be over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lifted: bool,
    /// What the last requests were called that brought a wish and didn't say when it was made, the newest last: each counts once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
}

impl Suppression {
    /// A suppression that holds since `at`.
    #[must_use]
    pub fn new(reason: SuppressionReason, at: impl std::fmt::Display, source: &str) -> Self {
        Self { reason, at: at.to_string(), source: source.to_owned(), lifted: false, seen: Vec::new() }
    }

    /// Puts this in the place of `known`, if that is lifted; says whether it was. Which requests came before stays known.
    pub fn replace_lifted(&self, known: &mut Self) -> bool {
        let lifted = known.lifted;
        if lifted {
            *known = Self { seen: std::mem::take(&mut known.seen), ..self.clone() };
        }
        lifted
    }

    /// Whether nothing may be sent to the address now.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !self.lifted
    }
}

/// Why nothing is sent to an address any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionReason {
    /// Its owner has sent STOP.
    Stopped,
    /// There is no such mailbox (a hard bounce).
    Bounced,
    /// Its owner has complained about a message.
    Complained,
}

impl Stored for Suppression {
    const COLLECTION: &'static str = "suppressions";
}

/// The key of the suppression of an address on a channel. Suppressions belong to the deployment, like the senders that they
/// keep from harm, so they stand under [`deployment`]. The id holds a hash of the address, not the address. All spellings that
/// WhatsApp has for a number are the same address.
#[must_use]
pub fn suppression_key(channel: Channel, address: &str) -> RecordKey {
    let address = match channel {
        Channel::Whatsapp => in_one_spelling(address),
        Channel::Email | Channel::Sms | Channel::Push => Cow::Borrowed(address),
    };
    let hash = Sha256::digest(address.to_lowercase());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    RecordKey::new(&deployment(), Suppression::COLLECTION, format!("{}/{hash}", channel.name()))
}

/// One of the spellings of a number, whichever of them is given. In three countries WhatsApp's id of an account may be another
/// number than the one that its owner dials and is written to under, and callbacks bring the id:
///
/// | country | the number | its other spelling | why |
/// |---|---|---|---|
/// | Mexico | +52 and 10 digits | a 1 after the 52 | mobile phones were dialled so until 2019 |
/// | Argentina | +54 and 10 digits | a 9 after the 54 | mobile phones are dialled so from abroad |
/// | Brazil | +55, area, 9 and 8 digits | without the 9 | accounts are older than the ninth digit |
///
/// In Brazil a number of eight digits that begins with 2 to 5 is a fixed line, which has no ninth digit.
/// WhatsApp says so of the first two (<https://faq.whatsapp.com/1294841057948784>); of Brazil those do who send messages there
/// (<https://www.zoko.io/learning-article/whatsapp-id-brazil-mexico>).
fn in_one_spelling(number: &str) -> Cow<'_, str> {
    let ten_after = |country: &str| number.strip_prefix(country).filter(|rest| rest.len() == 10);
    if let Some(rest) = ten_after("+521") {
        return format!("+52{rest}").into();
    }
    if let Some(rest) = ten_after("+549") {
        return format!("+54{rest}").into();
    }
    match ten_after("+55").and_then(|rest| rest.split_at_checked(2)) {
        Some((area, local)) if local.starts_with(['6', '7', '8', '9']) => format!("+55{area}9{local}").into(),
        _ => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_whatsapp_has_for_a_number_is_one_address() {
        for (one, other) in [
            ("+525512345678", "+5215512345678"),
            ("+541123456789", "+5491123456789"),
            ("+5531987654321", "+553187654321"),
            ("+5511987654321", "+551187654321"),
        ] {
            assert_eq!(suppression_key(Channel::Whatsapp, one), suppression_key(Channel::Whatsapp, other), "{one}");
            assert_ne!(suppression_key(Channel::Sms, one), suppression_key(Channel::Sms, other), "{one}");
        }
    }

    #[test]
    fn other_numbers_are_what_they_are() {
        let numbers = [
            "+4930123456",
            "+4917612345678",
            "+15215512345",
            "+52155123456",
            "+52551234567890",
            "+549112345678",
            // A fixed line, and a mobile number that begins like one.
            "+551131234567",
            "+5511931234567",
            "+5511",
            "+55é12345678",
            "",
        ];
        for (n, one) in numbers.iter().enumerate() {
            assert_eq!(in_one_spelling(one), *one);
            for other in &numbers[n + 1..] {
                assert_ne!(suppression_key(Channel::Whatsapp, one), suppression_key(Channel::Whatsapp, other));
            }
        }
    }
}
