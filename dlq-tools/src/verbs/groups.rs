//! `dlq groups`: what failed, in groups of the same failure at the same consumer with the same type of event.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde::Serialize;

use super::{
    Common, Output,
    source::Source,
    stream::{Stream, nothing},
};
use crate::{
    Session,
    deployment::Access,
    letter::Letter,
    redact::{Redact, Showing},
    select::{Selection, Selector, each, failed_at},
    snapshot::Snapshot,
    view::{loss, second, short, standing},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    showing: Showing,
}

/// What a group has in common.
pub(crate) type Key = (String, Option<String>, Option<String>);

/// The group that a letter belongs to: its failure, its consumer and its type.
pub(crate) fn key(letter: &Letter) -> Key {
    let facts = &letter.facts;
    let event_type = facts.event.as_ref().map(|event| event.r#type.clone());
    (letter.fingerprint().to_owned(), facts.consumer.clone(), event_type)
}

/// What is said of a group.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    group: String,
    consumer: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    letters: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    first_loss_at: Option<Timestamp>,
    tenants: BTreeSet<String>,
    /// How many of its letters were replayed before, and how often the most replayed one was.
    replayed: u64,
    most_replays: u32,
    /// How many letters there are by what their consumer has recorded.
    ledger: BTreeMap<String, u64>,
    /// A letter of it, the first one.
    message_id: String,
    reason: Option<String>,
    error: Option<String>,
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let selector = Selector::new(&args.selection, &*session.clock)?;
    let deployment = common.open(session, Access::Look).await?;
    let snapshot = args.source.open(session, common, &deployment).await?;
    let redact = Redact::for_session(session, args.showing);
    let groups: Vec<Group> = collect(&snapshot, &selector, &redact)?.into_iter().map(|(_, group)| group).collect();
    let mut stream = Stream::new(common.output);
    match common.output {
        Output::Table if groups.is_empty() => {}
        Output::Table => session.data(table(HEADING, groups.iter().map(Group::cells)))?,
        Output::Json | Output::Ndjson => groups.iter().try_for_each(|group| stream.item(session, group))?,
    }
    stream.end(session)?;
    if groups.is_empty() {
        session.prose(nothing(&snapshot)?);
        return Ok(Exit::NothingMatched);
    }
    Ok(Exit::Done)
}

/// The groups of the chosen letters, the largest first.
pub(crate) fn collect(
    snapshot: &Snapshot,
    selector: &Selector,
    redact: &Redact,
) -> Result<Vec<(Key, Group)>, Stopped> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    each(snapshot, selector, |letter| {
        let lost_at = snapshot.lost_at(&letter);
        let group = groups.entry(key(&letter)).or_insert_with(|| Group::of(&letter, redact));
        group.add(&letter, lost_at);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    // Those of the same size stay in the order of their keys.
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.letters));
    Ok(groups)
}

const HEADING: [&str; 10] =
    ["GROUP", "CONSUMER", "TYPE", "LETTERS", "FIRST", "LAST", "FIRST LOSS", "TENANTS", "LEDGER", "ERROR"];

/// How much of an error a line holds, in characters.
const ERROR: usize = 80;

impl Group {
    fn of(letter: &Letter, redact: &Redact) -> Self {
        let (group, consumer, event_type) = key(letter);
        let failure = letter.facts.failure.as_ref();
        let error = failure.map(|failure| &failure.error).or(letter.facts.unreadable.as_ref());
        let at = failed_at(letter);
        Self {
            group: redact.text(&group).into_owned(),
            consumer,
            event_type,
            letters: 0,
            first_at: at,
            last_at: at,
            first_loss_at: None,
            tenants: BTreeSet::new(),
            replayed: 0,
            most_replays: 0,
            ledger: BTreeMap::new(),
            message_id: letter.message.message_id.clone(),
            reason: failure.map(|failure| redact.text(&failure.reason).into_owned()),
            error: error.map(|error| redact.text(error).into_owned()),
        }
    }

    /// How many letters it has.
    #[cfg(feature = "tui")]
    pub(crate) const fn letters(&self) -> u64 {
        self.letters
    }

    fn add(&mut self, letter: &Letter, lost_at: Option<Timestamp>) {
        let at = failed_at(letter);
        self.letters += 1;
        (self.first_at, self.last_at) = (self.first_at.min(at), self.last_at.max(at));
        self.first_loss_at = self.first_loss_at.into_iter().chain(lost_at).min();
        self.tenants.extend(letter.facts.event.as_ref().map(|event| event.tenant.clone()));
        self.replayed += u64::from(letter.facts.replays > 0);
        self.most_replays = self.most_replays.max(letter.facts.replays);
        *self.ledger.entry(standing(letter)).or_default() += 1;
    }

    /// Its cells under the heading.
    pub(crate) fn cells(&self) -> [String; 10] {
        let text = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let tenants = match self.tenants.first() {
            Some(tenant) if self.tenants.len() == 1 => one_line(tenant),
            _ => self.tenants.len().to_string(),
        };
        let ledger: Vec<_> = self.ledger.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
        let letters = match self.replayed {
            0 => self.letters.to_string(),
            replayed => format!("{} ({replayed} replayed)", self.letters),
        };
        [
            one_line(&self.group),
            text(&self.consumer),
            text(&self.event_type),
            letters,
            second(self.first_at),
            second(self.last_at),
            loss(self.first_loss_at),
            tenants,
            ledger.join(", "),
            short(self.error.as_deref().unwrap_or("-"), ERROR),
        ]
    }
}
