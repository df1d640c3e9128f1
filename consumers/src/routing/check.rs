//! Checking rules: everything that is wrong is told together, each with its place.

use std::{collections::BTreeMap, time::Duration};

use sendoff_events::{AppAssigned, Event as _, SubmissionCreated};
use sendoff_producers::model::Channel;

use super::rules::{GRACE, Raw, RawRule, RawTo, Routing, Rule, To};
use crate::templates::Templates;

/// The longest grace: chains should end while somebody still cares.
const MAX_GRACE: Duration = Duration::from_secs(3600);
/// The most chains, and the most rules of an event: what is evaluated for every message should be short.
const MAX_RULES: usize = 20;

/// An event that people can be told of.
struct Known {
    event: &'static str,
    to: &'static [To],
}

const KNOWN: [Known; 2] = [
    Known { event: AppAssigned::TYPE, to: &[To::Assignee, To::Assigner] },
    Known { event: SubmissionCreated::TYPE, to: &[To::AppOwners, To::Author] },
];

/// The rules, or all that is wrong with them.
pub(super) fn check(raw: Raw, templates: &Templates) -> Result<Routing, Vec<String>> {
    let mut problems = Vec::new();
    let grace = match raw.grace.map(Duration::try_from) {
        None => GRACE,
        Some(Ok(grace)) if grace <= MAX_GRACE => grace,
        Some(_) => {
            problems.push("`grace`: it is not between 0s and 1h".into());
            GRACE
        }
    };
    let mut events = BTreeMap::new();
    for (event, rules) in raw.events {
        let Some(known) = KNOWN.iter().find(|known| known.event == event) else {
            let names: Vec<_> = KNOWN.iter().map(|known| known.event).collect();
            problems.push(format!("`events.{}`: nobody can be told of it; there are {}", shown(&event), list(&names)));
            continue;
        };
        if rules.len() > MAX_RULES {
            problems.push(format!("`events.{event}`: it has {} rules, more than {MAX_RULES}", rules.len()));
            continue;
        }
        let checked = rules.into_iter().enumerate().filter_map(|(at, rule)| {
            let mut place = Place { at: format!("events.{event}[{at}]"), templates, problems: &mut problems };
            place.rule(known, rule)
        });
        let checked = checked.collect();
        events.insert(event, checked);
    }
    if problems.is_empty() { Ok(Routing { grace, events }) } else { Err(problems) }
}

/// A rule, and where its problems go.
struct Place<'p> {
    at: String,
    templates: &'p Templates,
    problems: &'p mut Vec<String>,
}

impl Place<'_> {
    fn blame(&mut self, field: &str, what: &str) {
        self.problems.push(format!("`{}.{field}`: {what}", self.at));
    }

    fn rule(&mut self, known: &Known, raw: RawRule) -> Option<Rule> {
        let RawRule { to, template, channels, urgent } = raw;
        let (to, channels) = match to {
            RawTo::Word(word) => (self.word(known, &word), self.channels(channels)),
            RawTo::Address(raw) => {
                if !channels.is_empty() {
                    self.blame("channels", "an address has one channel, which stands beside it: leave this out");
                }
                let to = self.address(raw.address, &raw.channel);
                let channels = to.iter().filter_map(|to| match to {
                    To::Address { channel, .. } => Some(vec![*channel]),
                    _ => None,
                });
                let channels = channels.collect();
                (to, channels)
            }
        };
        self.template(&template, &channels);
        Some(Rule { to: to?, template, channels, urgent })
    }

    /// There has to be a text for each of the channels.
    fn template(&mut self, name: &str, channels: &[Vec<Channel>]) {
        for channel in channels.iter().flatten() {
            if let Err(error) = self.templates.language(*channel, name, "en") {
                self.blame("template", &error.to_string());
            }
        }
    }

    fn word(&mut self, known: &Known, word: &str) -> Option<To> {
        let found = known.to.iter().find(|to| to.word() == word).cloned();
        if found.is_none() {
            let words: Vec<_> = known.to.iter().map(To::word).collect();
            let what = format!("this event has no `{}`; it has {}, or an address", shown(word), list(&words));
            self.blame("to", &what);
        }
        found
    }

    fn address(&mut self, pointer: String, channel: &str) -> Option<To> {
        let well_formed = pointer.starts_with('/') && pointer.len() <= 500;
        if !well_formed {
            self.blame("to.address", "it is no JSON Pointer such as `/submission/fields/Email`");
        }
        let channel = match named(channel) {
            Some(Channel::Push) => {
                self.blame("to.channel", "nobody writes a device's registration token into a form");
                None
            }
            None => {
                let what = format!("there is no channel `{}`; there are email, sms and whatsapp", shown(channel));
                self.blame("to.channel", &what);
                None
            }
            found => found,
        };
        Some(To::Address { pointer, channel: channel? }).filter(|_| well_formed)
    }

    fn channels(&mut self, raw: Vec<Vec<String>>) -> Vec<Vec<Channel>> {
        if raw.is_empty() || raw.len() > MAX_RULES {
            self.blame("channels", "it needs 1 to 20 chains such as `[\"whatsapp\", \"sms\", \"email\"]`");
        }
        let mut seen = Vec::new();
        let mut chains = Vec::new();
        for (chain_at, chain) in raw.into_iter().enumerate() {
            if chain.is_empty() {
                self.blame(&format!("channels[{chain_at}]"), "the chain is empty: leave it out, or name a channel");
            }
            let mut named_ones = Vec::new();
            for (at, word) in chain.iter().enumerate() {
                let field = format!("channels[{chain_at}][{at}]");
                match named(word) {
                    None => {
                        let words = Channel::ALL.map(Channel::name);
                        let what = format!("there is no channel `{}`; there are {}", shown(word), list(&words));
                        self.blame(&field, &what);
                    }
                    Some(channel) if seen.contains(&channel) => {
                        let what = format!("`{word}` stands in this rule already: one channel tells a person once");
                        self.blame(&field, &what);
                    }
                    Some(channel) => {
                        seen.push(channel);
                        named_ones.push(channel);
                    }
                }
            }
            chains.push(named_ones);
        }
        chains
    }
}

fn named(word: &str) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| channel.name() == word)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What somebody wrote, cut to what helps.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
