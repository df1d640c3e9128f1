//! Identifiers as types, parsed once at the edge.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Clock, Rng};

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{text}` is not valid: {rule}")]
pub struct IdError {
    /// Which identifier was expected, e.g. `app id`.
    pub kind: &'static str,
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What an identifier of this kind looks like.
    pub rule: &'static str,
}

impl IdError {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), rule }
    }
}

const NAME_RULE: &str = "use 1 to 64 characters of a-z, A-Z, 0-9, '-', '_' or '.', the first a letter or digit";

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Names of workflows are parts of other names, those of state machines and runs among them, and so they are shorter.
const WORKFLOW_RULE: &str = "use 1 to 40 characters of a-z, 0-9 and '-'";

fn is_workflow(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(fits)
}

macro_rules! name_id {
    ($(#[doc = $doc:literal])+ $name:ident, $kind:literal) => {
        name_id!($(#[doc = $doc])+ $name, $kind, is_name, NAME_RULE, 64, "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$");
    };
    ($(#[doc = $doc:literal])+ $name:ident, $kind:literal, $is:ident, $rule:ident, $most:literal, $pattern:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if $is(text) { Ok(Self(text.to_owned())) } else { Err(IdError::new($kind, text, $rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                if $is(&text) { Ok(Self(text)) } else { Err(IdError::new($kind, &text, $rule)) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $most,
                    "pattern": $pattern,
                    "description": concat!($($doc),+).trim(),
                })
            }
        }
    };
}

name_id!(
    /// The customer whose data this is. Tenants are never mixed.
    TenantId, "tenant id"
);
impl TenantId {
    /// Nobody's customer: the deployment itself. It can't be parsed, so nothing from outside can name it.
    #[must_use]
    pub fn deployment() -> Self {
        Self("-".into())
    }

    /// The tenant that a store has kept: any, and [`deployment`](Self::deployment) too.
    ///
    /// # Errors
    ///
    /// [`IdError`] when it is neither.
    pub fn stored(text: &str) -> Result<Self, IdError> {
        if text == "-" { Ok(Self::deployment()) } else { text.parse() }
    }
}

name_id!(
    /// A person who uses apps.
    UserId, "user id"
);
name_id!(
    /// An app built on the platform.
    AppId, "app id"
);
name_id!(
    /// One filled-in form of an app.
    SubmissionId, "submission id"
);
name_id!(
    /// An endpoint of another system that is told about the events of an app.
    WebhookId, "webhook id"
);
name_id!(
    /// A workflow of an app.
    WorkflowId, "workflow", is_workflow, WORKFLOW_RULE, 40, "^[a-z0-9-]{1,40}$"
);

/// An event's identity: a UUID version 7, so that ids sort by time. It never changes, also not on replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

impl EventId {
    /// A fresh id from the clock's milliseconds and the generator's bits (RFC 9562, version 7).
    #[must_use]
    pub fn generate(clock: &dyn Clock, rng: &dyn Rng) -> Self {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
        random[8..].copy_from_slice(&rng.next_u64().to_le_bytes()[..2]);
        let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The id's 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id with these 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| IdError::new("event id", text, "use a UUID such as 01938d1e-7b2c-7000-8000-000000000000"))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_is_refused_and_the_rule_is_told() {
        let error = "a/b".parse::<AppId>().unwrap_err();
        assert_eq!(error.to_string(), format!("app id `a/b` is not valid: {NAME_RULE}"));
    }

    #[test]
    fn the_deployment_cannot_be_named_from_outside() {
        let deployment = TenantId::deployment();
        assert!(deployment.as_str().parse::<TenantId>().is_err());
        assert!(serde_json::from_str::<TenantId>("\"-\"").is_err());
        assert_eq!(TenantId::stored(deployment.as_str()).unwrap(), deployment);
    }

    #[test]
    fn a_long_hostile_text_is_cut_in_the_message() {
        let error = "x".repeat(10_000).parse::<UserId>().unwrap_err();
        assert_eq!(error.text.len(), 80);
    }
}
