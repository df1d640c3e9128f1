//! A letter as conditions see it. Nothing of it is built before it is asked for.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use cel::{
    common::{
        types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use sendoff_embedded::program::print::word;
use sendoff_events::Timestamp;
use serde::Deserialize;

use super::{
    json::Json,
    words::{Fields, TICK, Uses, place},
};
use crate::letter::{LedgerFacts, Letter};

/// How many elements of lists a condition may look at in one letter: a body of 256 KiB has about half as many.
pub(super) const MAX_TURNS: u32 = 250_000;

/// The variables of one letter.
pub(super) struct Variables<'v> {
    uses: &'v Uses,
    letter: &'v Letter,
    lost_at: Option<Timestamp>,
    now: Timestamp,
    built: [OnceLock<Box<dyn Val + 'v>>; 5],
    turns: AtomicU32,
}

impl<'v> Variables<'v> {
    pub(super) fn new(uses: &'v Uses, letter: &'v Letter, lost_at: Option<Timestamp>, now: Timestamp) -> Self {
        Self { uses, letter, lost_at, now, built: Default::default(), turns: AtomicU32::new(0) }
    }

    /// Whether the condition has looked at more elements than it may.
    pub(super) fn is_exhausted(&self) -> bool {
        self.turns.load(Ordering::Relaxed) > MAX_TURNS
    }

    fn build(&self, variable: &str) -> Box<dyn Val + 'v> {
        let Some(fields) = self.uses.of(variable) else { return Entries::new(&Fields::All).finish() };
        match variable {
            "envelope" => self.envelope(fields),
            "data" => data(self.letter.content()),
            "failure" => self.failure(fields),
            "ledger" => ledger(self.letter.ledger.as_ref(), fields),
            _ => self.message(fields),
        }
    }

    fn envelope(&self, fields: &'v Fields) -> Box<dyn Val + 'v> {
        let mut envelope = Entries::new(fields);
        if let Some(event) = &self.letter.facts.event {
            envelope.text("id", || event.id.to_string());
            envelope.text("type", || &*event.r#type);
            envelope.text("tenantid", || &*event.tenant);
            envelope.text("subject", || &*event.subject);
            envelope.text("time", || moment(event.time));
            envelope.text("correlationid", || &*event.correlation);
            envelope.text("firstpublished", || moment(event.first_published));
            if let Some(causation) = event.causation {
                envelope.text("causationid", || causation.to_string());
            }
            if let Some(sequence) = event.sequence {
                envelope.number("sequence", sequence);
            }
            if fields.has("source") || fields.has("traceparent") {
                let more: More<'v> = serde_json::from_slice(self.letter.content()).unwrap_or_default();
                for (name, text) in [("source", more.source), ("traceparent", more.traceparent)] {
                    if let Some(text) = text {
                        envelope.text(name, || text);
                    }
                }
            }
        }
        envelope.finish()
    }

    fn failure(&self, fields: &'v Fields) -> Box<dyn Val + 'v> {
        let mut failure = Entries::new(fields);
        if let Some(consumer) = &self.letter.facts.consumer {
            failure.text("consumer", || &**consumer);
        }
        if let Some(facts) = &self.letter.facts.failure {
            failure.text("reason", || &*facts.reason);
            failure.text("fingerprint", || &*facts.fingerprint);
            failure.text("error", || &*facts.error);
            if let Some(class) = facts.class {
                failure.text("class", || word(&class));
            }
            if let Some(attempts) = facts.attempts {
                failure.number("attempts", attempts.into());
            }
            for (name, at) in [("first_at", facts.first_at), ("last_at", facts.last_at)] {
                if let Some(at) = at {
                    failure.text(name, || moment(at));
                }
            }
        }
        failure.finish()
    }

    fn message(&self, fields: &'v Fields) -> Box<dyn Val + 'v> {
        let Letter { message: letter, facts, edit, .. } = self.letter;
        let mut message = Entries::new(fields);
        message.text("id", || &*letter.message_id);
        message.text("shape", || word(&facts.shape));
        message.number("receive_count", letter.receive_count.into());
        message.number("replays", facts.replays.into());
        message.number("size", letter.body.len() as u64);
        message.text("enqueued_at", || moment(letter.enqueued_at));
        let age = self.now.duration_since(letter.enqueued_at).as_secs();
        message.add("age_s", || Box::new(CelInt::from(age)));
        message.add("edited", || Box::new(CelBool::from(edit.is_some())));
        message.add("attributes", || {
            let mut attributes = Entries::new(&Fields::All);
            for (name, value) in &letter.attributes {
                attributes.text(name, || &**value);
            }
            attributes.finish()
        });
        if let Some(lost_at) = self.lost_at {
            message.text("lost_at", || moment(lost_at));
        }
        if let Some(group) = &letter.group {
            message.text("group", || &**group);
        }
        if let Some(why) = &facts.unreadable {
            message.text("unreadable", || &**why);
        }
        message.finish()
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == TICK {
            let before = self.turns.fetch_add(1, Ordering::Relaxed);
            return (before < MAX_TURNS).then(|| CowVal::owned(CelBool::from(true)));
        }
        let built = &self.built[place(variable)?];
        Some(CowVal::Borrowed(&**built.get_or_init(|| self.build(variable))))
    }
}

/// What an envelope says that the facts of a letter leave out.
#[derive(Default, Deserialize)]
struct More<'a> {
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

/// The event's data, or an empty map if there is none that can be read.
fn data<'v>(content: &[u8]) -> Box<dyn Val + 'v> {
    #[derive(Deserialize)]
    struct Envelope {
        data: Json,
    }
    match serde_json::from_slice::<Envelope>(content) {
        Ok(Envelope { data: Json(data) }) => data,
        Err(_) => Entries::new(&Fields::All).finish(),
    }
}

fn ledger<'v>(facts: Option<&'v LedgerFacts>, fields: &'v Fields) -> Box<dyn Val + 'v> {
    let mut ledger = Entries::new(fields);
    let Some(facts) = facts else {
        ledger.text("status", || "none");
        ledger.number("attempts", 0);
        ledger.add("doubted", || Box::new(CelBool::from(false)));
        return ledger.finish();
    };
    ledger.text("status", || word(&facts.status));
    ledger.number("attempts", facts.attempts.into());
    ledger.number("replay", facts.replay.into());
    ledger.add("doubted", || Box::new(CelBool::from(facts.doubted)));
    ledger.text("first_at", || moment(facts.first_at));
    ledger.text("updated_at", || moment(facts.updated_at));
    ledger.add("steps", || {
        let mut steps = Entries::new(&Fields::All);
        for (name, step) in &facts.steps {
            steps.add(name, || structure(step));
        }
        steps.finish()
    });
    ledger.add("history", || Box::new(CelList::from(facts.history.iter().map(structure).collect::<Vec<_>>())));
    ledger.finish()
}

/// A value of ours as conditions see it: with the fields that it has in JSON.
fn structure<'v>(value: &impl serde::Serialize) -> Box<dyn Val + 'v> {
    let read = serde_json::to_value(value).and_then(serde_json::from_value::<Json>);
    match read {
        Ok(Json(value)) => value,
        Err(_) => Entries::new(&Fields::All).finish(),
    }
}

/// A moment as a text that sorts by time: always with three digits of a second.
fn moment(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// A map in the making, of the fields that are asked for.
struct Entries<'f, 'v> {
    fields: &'f Fields,
    entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>,
}

impl<'f, 'v> Entries<'f, 'v> {
    fn new(fields: &'f Fields) -> Self {
        Self { fields, entries: HashMap::new() }
    }

    fn add(&mut self, name: &'v str, value: impl FnOnce() -> Box<dyn Val + 'v>) {
        if self.fields.has(name) {
            self.entries.insert(name.into(), value());
        }
    }

    fn text<T: Into<Cow<'v, str>>>(&mut self, name: &'v str, text: impl FnOnce() -> T) {
        self.add(name, || match text().into() {
            Cow::Borrowed(text) => Box::new(CelString::from(text)),
            Cow::Owned(text) => Box::new(CelString::from(text)),
        });
    }

    fn number(&mut self, name: &'v str, number: u64) {
        self.add(name, || Box::new(CelInt::from(i64::try_from(number).unwrap_or(i64::MAX))));
    }

    fn finish(self) -> Box<dyn Val + 'v> {
        Box::new(CelMap::from(self.entries))
    }
}
