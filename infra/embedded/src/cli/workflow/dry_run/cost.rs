//! What a run costs, by a table of prices.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use sendoff_embedded::program::Stopped;
use sendoff_workflows::{
    Plan, Type,
    engine::{Entry, What},
    plan::{Block, Kind, Wait},
};
use serde::{Deserialize, Serialize};

use super::message::{Message, Said};
use crate::cli::workflow::input;

/// What is asked for one of each. What isn't there isn't known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// Whose prices, and what is in them.
    of: String,
    /// A state transition of a standard state machine. The embedded engine asks for nothing.
    transition: Option<Price>,
    /// A mail.
    email: Option<Price>,
    /// A segment of a text message.
    sms_segment: Option<Price>,
    /// A WhatsApp message: the provider's fee.
    whatsapp: Option<Price>,
    /// What Meta asks besides for one that is made of a template.
    whatsapp_template: Option<Price>,
    /// A push message.
    push: Option<Price>,
}

/// A price in US dollars.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Price {
    /// By itself.
    Dollars(f64),
    /// With where it stands.
    Read(Read),
}

/// A price, and where it was read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    dollars: f64,
    /// The page.
    source: String,
    /// On what day.
    read: jiff::civil::Date,
}

impl Price {
    const fn dollars(&self) -> f64 {
        match self {
            Self::Dollars(dollars) | Self::Read(Read { dollars, .. }) => *dollars,
        }
    }

    fn source(&self) -> Option<String> {
        match self {
            Self::Dollars(_) => None,
            Self::Read(Read { source, read, .. }) => Some(format!("{source}; read on {read}")),
        }
    }
}

impl Prices {
    /// Those of the file, or those that are compiled in.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, Stopped> {
        match path {
            Some(path) => input::json("--prices", path, "a table of prices as JSON"),
            None => serde_json::from_str(include_str!("prices.json")).map_err(Stopped::failed),
        }
    }
}

/// What one run costs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cost {
    /// About how many state transitions it takes on Step Functions.
    pub(super) transitions: usize,
    /// What is sent, in dollars of one kind each.
    pub(super) lines: Vec<Line>,
    /// All together that has a price, in dollars.
    pub(super) dollars: f64,
    /// Whether all that is paid for has one.
    pub(super) is_complete: bool,
    /// Whose prices.
    pub(super) prices: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) count: usize,
    /// Nothing where the price isn't known.
    pub(super) dollars: Option<f64>,
    /// Where the price of one stands, and when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl Cost {
    pub(super) fn of(plan: &Plan, history: &[Entry], messages: &[Message], prices: &Prices) -> Self {
        let transitions = transitions(plan, history);
        let count = |is: fn(&Said) -> usize| -> usize { messages.iter().map(|message| is(&message.said)).sum() };
        let lines = [
            ("state transitions", transitions, &prices.transition),
            ("mails", count(|said| usize::from(matches!(said, Said::Mail { .. }))), &prices.email),
            (
                "segments of text messages",
                count(|said| if let Said::Sms { segments, .. } = said { *segments } else { 0 }),
                &prices.sms_segment,
            ),
            ("WhatsApp messages", count(|said| usize::from(matches!(said, Said::Whatsapp { .. }))), &prices.whatsapp),
            (
                "Meta's fees for templates",
                count(|said| usize::from(matches!(said, Said::Whatsapp { template: Some(_), .. }))),
                &prices.whatsapp_template,
            ),
            ("push messages", count(|said| usize::from(matches!(said, Said::Push { .. }))), &prices.push),
        ];
        let lines: Vec<Line> = lines
            .into_iter()
            .filter(|(_, count, _)| *count > 0)
            .map(|(what, count, price)| Line {
                what,
                count,
                dollars: price.as_ref().map(|one| count as f64 * one.dollars()),
                source: price.as_ref().and_then(Price::source),
            })
            .collect();
        let dollars = lines.iter().filter_map(|line| line.dollars).sum();
        let is_complete = lines.iter().all(|line| line.dollars.is_some());
        Self { transitions, lines, dollars, is_complete, prices: prices.of.clone() }
    }
}

/// A state for each step that was come to and for each attempt after the first, and those that stand beside them: the first and
/// the last one, around each branch and item, and before a wait until a time of a day.
fn transitions(plan: &Plan, history: &[Entry]) -> usize {
    let kinds: BTreeMap<&str, &Kind> =
        blocks(&plan.block).into_iter().flatten().map(|step| (step.id.as_str(), &step.kind)).collect();
    // Each item of a `for_each` comes to the first step of its block, and to that once.
    let begins: BTreeSet<&str> = kinds
        .values()
        .filter_map(|kind| match kind {
            Kind::ForEach { block, .. } => block.first().map(|first| first.id.as_str()),
            _ => None,
        })
        .collect();
    let mut count = 2;
    for entry in history {
        match entry.what {
            What::Retrying => count += 1,
            What::Entered => {
                let step = entry.instance.as_ref().map_or("", |instance| &instance.step);
                count += 1 + 2 * usize::from(begins.contains(step));
                count += match kinds.get(step) {
                    Some(Kind::Parallel { branches, .. }) => branches.len() * 2,
                    Some(Kind::ForEach { .. }) => 1,
                    Some(Kind::Wait(Wait::Until { when, .. })) => usize::from(when.ty == Type::Date),
                    _ => 0,
                };
            }
            _ => {}
        }
    }
    count
}

/// The step of this id.
pub(super) fn find<'a>(block: &'a Block, id: &str) -> Option<&'a Kind> {
    blocks(block).into_iter().flatten().find(|step| step.id == id).map(|step| &step.kind)
}

/// The block and all in it, however deep.
fn blocks(block: &Block) -> Vec<&Block> {
    let (mut found, mut next) = (vec![block], 0);
    while let Some(block) = found.get(next).copied() {
        for step in block {
            step.kind.blocks_in_view(&mut |block| found.push(block));
            if let Kind::ForEach { block, .. } = &step.kind {
                found.push(block);
            }
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_price_that_is_compiled_in_says_where_and_when_it_was_read() {
        let Prices { of, transition, email, sms_segment, whatsapp, whatsapp_template, push } =
            Prices::read(None).unwrap();
        assert!(of.contains("US dollars"), "{of}");
        assert!(whatsapp_template.is_none(), "it depends on the country");
        for price in [transition, email, sms_segment, whatsapp, push] {
            let Some(Price::Read(Read { source, read, dollars })) = price else { panic!("{price:?}") };
            assert!(source.contains("https://") && (2026..2100).contains(&read.year()) && dollars < 1.0, "{source}");
        }
    }
}
