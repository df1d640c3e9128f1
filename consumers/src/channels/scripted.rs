//! A provider that answers as a test says, for the tests of what stands around providers.

use std::{
    collections::BTreeMap,
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_events::{BoxFuture, Timestamp};

use super::Provider;
use crate::{Doubt, Found, NotSent, SendOutcome};

/// A provider of messages that are numbers. Without a script it has sent everything.
pub(super) struct Scripted {
    name: &'static str,
    answers: Mutex<VecDeque<Option<SendOutcome>>>,
    found: Mutex<Found>,
    pub(super) asked: Mutex<Vec<u32>>,
}

impl Scripted {
    pub(super) fn new(name: &'static str) -> Arc<Self> {
        let found = Mutex::new(Found::CannotTell);
        Arc::new(Self { name, answers: Mutex::default(), found, asked: Mutex::default() })
    }

    /// What it answers next.
    pub(super) fn answer(&self, outcome: SendOutcome) {
        self.answers.lock().unwrap().push_back(Some(outcome));
    }

    /// It never answers the next message.
    pub(super) fn hang(&self) {
        self.answers.lock().unwrap().push_back(None);
    }

    pub(super) fn finds(&self, found: Found) {
        *self.found.lock().unwrap() = found;
    }

    /// How many messages it was asked to send.
    pub(super) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Provider<u32> for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send<'a>(&'a self, message: &'a u32, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        self.asked.lock().unwrap().push(*message);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Some(sent(None)));
        Box::pin(async move {
            match answer {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        })
    }

    fn find<'a>(&'a self, _: &'a u32, _: &'a Doubt) -> BoxFuture<'a, Found> {
        let found = self.found.lock().unwrap().clone();
        Box::pin(async move { found })
    }
}

pub(super) fn sent(by: Option<&'static str>) -> SendOutcome {
    SendOutcome::Sent { provider: by.map(Into::into), provider_id: None }
}

pub(super) fn unknown() -> SendOutcome {
    SendOutcome::Unknown { provider: None, reason: "no answer".into() }
}

pub(super) fn unavailable(after: Option<u64>) -> SendOutcome {
    let after = after.map(Duration::from_secs);
    SendOutcome::NotSent(NotSent::Unavailable { after, reason: "401 for +4930123456".into() })
}

pub(super) fn throttled(after: Option<u64>) -> SendOutcome {
    SendOutcome::NotSent(NotSent::Throttled { after: after.map(Duration::from_secs), reason: "429".into() })
}

pub(super) fn transient() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Transient { reason: "busy".into() })
}

pub(super) fn permanent() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Permanent { reason: "bad".into() })
}

pub(super) fn gone() -> SendOutcome {
    SendOutcome::NotSent(NotSent::Gone { reason: "opted out".into() })
}

pub(super) fn doubt(provider: Option<&str>) -> Doubt {
    Doubt {
        idempotency_key: "sms/1/ada".into(),
        provider: provider.map(Into::into),
        since: Timestamp::UNIX_EPOCH,
        moved: false,
    }
}

/// The codes that the table at the head of a source names, with the word for what they mean.
pub(crate) fn documented_codes(source: &str) -> BTreeMap<u32, String> {
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = rows.skip(1).take_while(|row| !row.starts_with("HTTP")).map(|row| row.split(" | ").collect::<Vec<_>>());
    let mut found = BTreeMap::new();
    for row in rows {
        for part in row[0].split(", ").filter(|part| !part.contains("subcode")) {
            let (first, last) = part.split_once('…').unwrap_or((part, part));
            for code in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                let known = found.insert(code, row[1].trim_matches('*').to_owned());
                assert!(known.is_none(), "{code} stands there twice");
            }
        }
    }
    found
}
