//! Addresses that nothing is sent to any more.

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
/// keep from harm, so they stand under [`deployment`]. The id holds a hash of the address, not the address.
#[must_use]
pub fn suppression_key(channel: Channel, address: &str) -> RecordKey {
    let hash = Sha256::digest(address.to_lowercase());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    RecordKey::new(&deployment(), Suppression::COLLECTION, format!("{}/{hash}", channel.name()))
}
