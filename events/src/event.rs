//! An event: a fact in the past tense, with a stable name and a version.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A fact that happened, as one struct.
///
/// Reading is tolerant (unknown fields are ignored), writing is strict. When a change to the struct alters its JSON
/// Schema, raise [`VERSION`](Event::VERSION) and teach [`upcast`](Event::upcast) the step from the version before:
/// messages of the old version are still in queues, archives and dead letters. A test holds this.
///
/// # Examples
///
/// ```
/// use schemars::JsonSchema;
/// use sendoff_events::{AppId, Event};
/// use serde::{Deserialize, Serialize};
///
/// /// An app was archived.
/// #[derive(Debug, Serialize, Deserialize, JsonSchema)]
/// struct AppArchived {
///     app_id: AppId,
/// }
///
/// impl Event for AppArchived {
///     const TYPE: &'static str = "app.archived";
///     const VERSION: u32 = 1;
///
///     fn subject(&self) -> String {
///         format!("apps/{}", self.app_id)
///     }
/// }
/// ```
pub trait Event: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The stable name without the version: `app.assigned`. On the wire it reads `app.assigned.v1`.
    const TYPE: &'static str;

    /// The version this code writes. It reads this one and every older one.
    const VERSION: u32;

    /// What the event is about, as a path: `apps/{app}/assignments/{user}`. Events of one subject are numbered in order.
    fn subject(&self) -> String;

    /// Turns the data of version `from` into that of version `from + 1`. Called step by step until [`VERSION`](Event::VERSION).
    ///
    /// # Errors
    ///
    /// [`UpcastError`] when the data isn't what version `from` looks like, or there was no such version.
    fn upcast(from: u32, data: Value) -> Result<Value, UpcastError> {
        let _ = data;
        Err(UpcastError { from, why: "there was no such version".into() })
    }
}

/// Data of an old version couldn't be brought to the present one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("data of version {from} can't be upcast: {why}")]
pub struct UpcastError {
    /// The version of the data.
    pub from: u32,
    /// What was wrong with it.
    pub why: String,
}

/// An event's type as it stands on the wire: `app.assigned.v1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType {
    name: Cow<'static, str>,
    version: u32,
}

/// The text is not an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "event type `{0}` is not valid: it reads like `app.assigned.v1`, dotted lower-case words and a version from v1"
)]
pub struct EventTypeError(String);

impl EventType {
    /// The type that `E` is written as. Whether it reads as one is checked when it is compiled: nobody could read an event with another.
    ///
    /// ```compile_fail
    /// # use sendoff_events::{Event, EventType};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct AppArchived {}
    /// impl Event for AppArchived {
    ///     const TYPE: &'static str = "App.Archived"; // it has capitals
    ///     const VERSION: u32 = 1;
    /// #   fn subject(&self) -> String {
    /// #       "apps/1".into()
    /// #   }
    /// }
    /// let _ = EventType::of::<AppArchived>();
    /// ```
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        const {
            assert!(
                is_name(E::TYPE),
                "an event's TYPE reads like `app.assigned`: dotted lower-case words, of 100 bytes at most"
            );
            assert!(E::VERSION > 0, "an event's VERSION counts from 1");
        }
        Self { name: Cow::Borrowed(E::TYPE), version: E::VERSION }
    }

    /// The name without the version: `app.assigned`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }
}

/// Whether it is dotted lower-case words: each begins with a letter, and has digits and underscores besides.
const fn is_name(name: &str) -> bool {
    let mut rest = name.as_bytes();
    let mut begins = true;
    while let [first, others @ ..] = rest {
        match first {
            b'a'..=b'z' => begins = false,
            b'0'..=b'9' | b'_' if !begins => {}
            b'.' if !begins => begins = true,
            _ => return false,
        }
        rest = others;
    }
    !begins && name.len() <= 100
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        let error = || EventTypeError(text.chars().take(80).collect());
        let (name, version) = text.rsplit_once(".v").ok_or_else(error)?;
        let canonical = version.bytes().next().is_some_and(|b| (b'1'..=b'9').contains(&b));
        let version = version.parse().map_err(|_| error())?;
        if canonical && is_name(name) { Ok(Self { name: Cow::Owned(name.to_owned()), version }) } else { Err(error()) }
    }
}

impl TryFrom<String> for EventType {
    type Error = EventTypeError;

    fn try_from(text: String) -> Result<Self, EventTypeError> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.to_string()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.v{}", self.name, self.version)
    }
}
