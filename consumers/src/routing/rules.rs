//! The rules as they stand in a file.

use std::{collections::BTreeMap, time::Duration};

use jiff::SignedDuration;
use sendoff_producers::model::Channel;
use serde::Deserialize;

use super::check;
use crate::templates::Templates;

/// How long a later channel waits for bad news of an earlier one, where the rules don't say.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// All rules of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// How long a later channel of a chain waits after a provider has taken the message of an earlier one, for news that it
    /// can't be delivered. Zero: not at all.
    pub grace: Duration,
    pub(super) events: BTreeMap<String, Vec<Rule>>,
}

/// Who is told of an event, how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who.
    pub to: To,
    /// The name of the template: `app-assigned`.
    pub template: String,
    /// The chains. No channel stands in them twice.
    pub channels: Vec<Vec<Channel>>,
    /// It doesn't wait for the end of anybody's quiet hours.
    pub urgent: bool,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Whom an app was assigned to.
    Assignee,
    /// Who assigned it.
    Assigner,
    /// Who made the submission.
    Author,
    /// The owners of the app.
    AppOwners,
    /// Whoever has this address.
    Address {
        /// Where the address stands: a JSON Pointer (RFC 6901) into what templates see and the event's own data.
        pointer: String,
        /// What kind of address it is.
        channel: Channel,
    },
}

/// Rules that can't be used: everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the routing rules are not valid:\n- {}", problems.join("\n- "))]
pub struct RoutingError {
    /// Where each mistake is, what it is, and what may stand there.
    pub problems: Vec<String>,
}

/// The file, before it is looked at: names are texts still, so that all wrong ones can be told together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// `60s`, `5m`; any duration that jiff reads.
    pub(super) grace: Option<SignedDuration>,
    pub(super) events: BTreeMap<String, Vec<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) to: RawTo,
    pub(super) template: String,
    #[serde(default)]
    pub(super) channels: Vec<Vec<String>>,
    #[serde(default)]
    pub(super) urgent: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`to` is a word such as \"assignee\", or an object with `address` and `channel`")]
pub(super) enum RawTo {
    Word(String),
    Address(RawAddress),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAddress {
    pub(super) address: String,
    pub(super) channel: String,
}

impl Routing {
    /// The text of the rules that come with Sendoff (`consumers/routing/default.json`), to begin own ones with.
    pub const STANDARD: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/routing/default.json"));

    /// The rules that come with Sendoff.
    ///
    /// # Errors
    ///
    /// [`RoutingError`] when the templates lack one that they name; with those that come with Sendoff it never happens.
    pub fn standard(templates: &Templates) -> Result<Self, RoutingError> {
        Self::parse(Self::STANDARD, templates)
    }

    /// The rules in a JSON text, which may name these templates.
    ///
    /// # Errors
    ///
    /// [`RoutingError`] with all that is wrong with them: an event, recipient, template or channel that there isn't, a channel
    /// twice in one rule, an empty chain.
    pub fn parse(text: &str, templates: &Templates) -> Result<Self, RoutingError> {
        let raw: Raw = serde_json::from_str(text).map_err(|e| RoutingError { problems: vec![e.to_string()] })?;
        check::check(raw, templates).map_err(|problems| RoutingError { problems })
    }

    /// The rules for an event of this name. For a person who is meant by several the first one counts.
    #[must_use]
    pub fn rules(&self, event: &str) -> &[Rule] {
        self.events.get(event).map_or(&[], Vec::as_slice)
    }
}

impl Rule {
    /// The chain that the channel stands in.
    #[must_use]
    pub fn chain(&self, channel: Channel) -> Option<&[Channel]> {
        self.channels.iter().map(Vec::as_slice).find(|chain| chain.contains(&channel))
    }
}

impl To {
    /// Its word in the rules.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Assignee => "assignee",
            Self::Assigner => "assigner",
            Self::Author => "author",
            Self::AppOwners => "app_owners",
            Self::Address { .. } => "address",
        }
    }
}
