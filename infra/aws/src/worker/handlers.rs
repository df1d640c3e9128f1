//! The consumers that the worker can run, and what they need.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sendoff_consumers::{
    Handler as _, Router, RouterPorts,
    cache::SharedCache,
    handlers::{ByEmail, Desk, Way as _, WorkflowKickoff, with_email},
    routing::Routing,
    templates::Templates,
};
use sendoff_host::config::{ConfigError, Problem, Source, nearest, shown};
use sendoff_producers::model::Channel;

use super::WorkerError;
use crate::{
    Store,
    lookup::lookup,
    mail::SecretEmail,
    renewed::fetch,
    settings::{Consumers, Need, Settings},
};

/// The consumer that sends mail.
pub(super) const EMAIL: &str = ByEmail::NAME;
/// The consumer that starts workflows.
pub(super) const WORKFLOW_KICKOFF: &str = WorkflowKickoff::NAME;

const KNOWN: [&str; 2] = [EMAIL, WORKFLOW_KICKOFF];

/// The settings, with all that the chosen consumers need.
///
/// # Errors
///
/// [`ConfigError`] with everything that is wrong or missing.
pub(super) fn settings(environment: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let read = |needs: &[Need]| Settings::read(environment.clone(), needs);
    // What is needed hangs on what is chosen. If that can't be read, all there are show what else may be missing.
    let chosen = read(&[]).map_or(Consumers::All, |settings| settings.consumers);
    let mut needs = vec![Need::Table, Need::InboxTable, Need::Topic, Need::Queues, Need::Bucket, Need::Schedules];
    if chosen.contain(EMAIL) {
        needs.push(Need::Mail);
    }
    if chosen.contain(WORKFLOW_KICKOFF) {
        needs.push(Need::Runs);
    }
    let mut problems: Vec<_> = unknown(&chosen).collect();
    match read(&needs) {
        Ok(settings) if problems.is_empty() => Ok(settings),
        Ok(_) => Err(ConfigError { problems }),
        Err(error) => {
            problems.extend(error.problems);
            Err(ConfigError { problems })
        }
    }
}

fn unknown(chosen: &Consumers) -> impl Iterator<Item = Problem> {
    const VARIABLE: &str = "SENDOFF_CONSUMERS";
    let names = match chosen {
        Consumers::All => &[],
        Consumers::These(names) => names.as_slice(),
    };
    names.iter().filter(|name| !KNOWN.contains(&name.as_str())).map(|name| Problem {
        key: VARIABLE.into(),
        source: Source::Variable(VARIABLE.into()),
        value: Some(shown(name, false)),
        rule: format!("there is no such consumer; there are {}", KNOWN.join(" and ")),
        suggestion: nearest(name, KNOWN),
    })
}

/// The router of the chosen consumers.
///
/// # Errors
///
/// [`WorkerError`] when one of them can't be made.
pub(super) fn router(
    settings: &Settings,
    store: &Store,
    cache: Option<&Arc<dyn SharedCache>>,
    ports: RouterPorts,
) -> Result<Router, WorkerError> {
    let meter = ports.meter.clone();
    let remembered = |name| lookup(store, cache.cloned(), meter.clone(), name);
    let mut router = Router::new(ports);
    if settings.consumers.contain(EMAIL) {
        let (from, url) = settings.mail()?;
        let templates = Templates::standard()?;
        let desk = Desk {
            records: remembered(EMAIL),
            authoritative: store.records(),
            inbox: store.inbox(),
            deliveries: store.deliveries(settings.inbox_keep),
            routing: Arc::new(Routing::standard(&templates)?),
            templates: Arc::new(templates),
            links: None,
            channels: BTreeSet::from([Channel::Email]),
        };
        let provider = Arc::new(SecretEmail::new(fetch(url, store)));
        router = with_email(router, Arc::new(desk), provider, from)?;
    }
    if settings.consumers.contain(WORKFLOW_KICKOFF) {
        router = router.with(WorkflowKickoff {
            records: remembered(WORKFLOW_KICKOFF),
            authoritative: store.records(),
            workflows: store.workflows(),
        })?;
    }
    Ok(router)
}
