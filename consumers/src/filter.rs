//! Subscription filters: the part of SNS filter policies that we use, on message attributes
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Attributes;

/// Which messages a subscription lets through: for every attribute named here, one of the matches must fit. An empty filter
/// lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filter(pub BTreeMap<String, Vec<Match>>);

/// What an attribute's value must be like. An absent attribute fits none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Match {
    /// Exactly this.
    Exact(String),
    /// Starting with this.
    Prefix {
        /// The beginning.
        prefix: String,
    },
    /// Anything but these.
    AnythingBut {
        /// What it must not be.
        #[serde(rename = "anything-but")]
        anything_but: Vec<String>,
    },
}

impl Filter {
    /// Lets every version of these event types through. A version that is too new reaches the consumer and is dead-lettered
    /// there, where it can be seen and replayed; filtered out it would be lost in silence.
    #[must_use]
    pub fn event_types<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let matches = names.into_iter().map(|name| Match::Prefix { prefix: format!("{name}.v") }).collect();
        Self(BTreeMap::from([("type".to_owned(), matches)]))
    }

    /// Whether a message with these attributes gets through.
    #[must_use]
    pub fn accepts(&self, attributes: &Attributes) -> bool {
        self.0
            .iter()
            .all(|(name, matches)| attributes.get(name).is_some_and(|value| matches.iter().any(|m| m.fits(value))))
    }
}

impl Match {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == exact,
            Self::Prefix { prefix } => value.starts_with(prefix.as_str()),
            Self::AnythingBut { anything_but } => !anything_but.iter().any(|not| not == value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_type_filter_lets_every_version_through_and_no_other_type() {
        let filter = Filter::event_types(["app.assigned"]);
        assert!(filter.accepts(&attributes(&[("type", "app.assigned.v1")])));
        assert!(filter.accepts(&attributes(&[("type", "app.assigned.v27")])));
        assert!(!filter.accepts(&attributes(&[("type", "app.assigned_twice.v1")])));
        assert!(!filter.accepts(&attributes(&[("tenant", "acme")])));
    }

    #[test]
    fn every_named_attribute_must_fit_and_the_wire_form_is_that_of_sns() {
        let json = r#"{"tenant":["acme",{"anything-but":["test"]}],"type":[{"prefix":"app."}]}"#;
        let filter: Filter = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&filter).unwrap(), json);
        assert!(filter.accepts(&attributes(&[("type", "app.x.v1"), ("tenant", "other")])));
        assert!(!filter.accepts(&attributes(&[("type", "app.x.v1"), ("tenant", "test")])));
        assert!(Filter::default().accepts(&Attributes::new()));
    }
}
