//! The consumers that the worker can run, and what they need.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_consumers::{
    Kickoff, Router, RouterPorts, WORKFLOW_KICKOFF,
    cache::SharedCache,
    handlers::{
        ByEmail, ByPush, BySms, ByWhatsapp, Way as _, with_email, with_push, with_sms, with_webhook, with_whatsapp,
    },
    with_workflows,
};
use sendoff_host::config::{ConfigError, Problem, Source, nearest, shown};
use sendoff_producers::model::Channel;

use super::WorkerError;
use crate::{
    Store,
    desk::desk,
    lookup::lookup,
    providers::Providers,
    settings::{Consumers, Need, Settings},
};

/// The consumer that sends mail.
pub(super) const EMAIL: &str = ByEmail::NAME;
const SMS: &str = BySms::NAME;
const WHATSAPP: &str = ByWhatsapp::NAME;
const PUSH: &str = ByPush::NAME;
const WEBHOOK: &str = "webhook";

const KNOWN: [&str; 6] = [EMAIL, SMS, WHATSAPP, PUSH, WEBHOOK, WORKFLOW_KICKOFF];

/// The settings, with all that the chosen consumers need. Of all, those run whose channel is on; who names one wants it.
///
/// # Errors
///
/// [`ConfigError`] with everything that is wrong or missing.
pub(super) fn settings(environment: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let read = |needs: &[Need]| Settings::read(environment.clone(), needs);
    // What is needed hangs on what is chosen. If that can't be read, all there are show what else may be missing.
    let chosen = read(&[]).map_or(Consumers::All, |settings| settings.consumers);
    let mut needs = vec![Need::Table, Need::InboxTable, Need::Topic, Need::Queues, Need::Bucket, Need::Schedules];
    let named = |name: &str| matches!(&chosen, Consumers::These(names) if names.iter().any(|n| n == name));
    for (consumer, need) in [(SMS, Need::Sms), (WHATSAPP, Need::Whatsapp), (PUSH, Need::Push)] {
        if named(consumer) {
            needs.push(need);
        }
    }
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
        rule: format!("there is no such consumer; there are {}", KNOWN.join(", ")),
        suggestion: nearest(name, KNOWN),
    })
}

/// The router of the chosen consumers.
///
/// # Errors
///
/// [`WorkerError`] when one of them can't be made.
pub(super) async fn router(
    settings: &Settings,
    store: &Store,
    cache: Option<&Arc<dyn SharedCache>>,
    ports: RouterPorts,
) -> Result<Router, WorkerError> {
    let remembered = |name| lookup(store, cache.cloned(), ports.meter.clone(), name);
    let desk = |name| async move { desk(store, settings, remembered(name)).await.map(Arc::new) };
    let (providers, on) = (Providers::new(store, settings), settings.channels_here());
    let runs = |name: &str, channel| settings.consumers.contain(name) && on.contains(&channel);
    let mut router = Router::new(ports.clone());
    if settings.consumers.contain(EMAIL) {
        let (from, provider) = providers.mail()?;
        router = with_email(router, desk(EMAIL).await?, provider, from)?;
    }
    if runs(SMS, Channel::Sms) {
        router = with_sms(router, desk(SMS).await?, providers.sms()?)?;
    }
    if runs(WHATSAPP, Channel::Whatsapp) {
        router = with_whatsapp(router, desk(WHATSAPP).await?, providers.whatsapp()?)?;
    }
    if runs(PUSH, Channel::Push) {
        router = with_push(router, desk(PUSH).await?, providers.push()?)?;
    }
    if settings.consumers.contain(WEBHOOK) {
        router = with_webhook(router, desk(WEBHOOK).await?, providers.webhook()?)?;
    }
    if settings.consumers.contain(WORKFLOW_KICKOFF) {
        let kickoff = Kickoff::new(store.records(), store.workflows(), store.schedules());
        router = with_workflows(router, kickoff)?;
    }
    Ok(router)
}
