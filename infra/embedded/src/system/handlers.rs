//! Which handlers run: those of every channel that has a provider, and the kick-off of workflows.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Consumer, EngineWorkflows, Router, RouterPorts,
    channels::{Provider, email::Mail},
    handlers::{Desk, with_email, with_push, with_sms, with_webhook, with_whatsapp},
    links::Links,
    routing::Routing,
};

use super::{SystemError, providers::Providers, workflows};
use crate::{Store, StoreError, config::Config};

/// The router with all standard handlers.
pub(super) fn standard(
    ports: RouterPorts,
    config: &Config,
    store: &Store,
    mail: Arc<dyn Provider<Mail>>,
    providers: Providers,
    links: Option<Links>,
    engine: Arc<EngineWorkflows>,
) -> Result<Router, SystemError> {
    let records = store.records();
    let mut routing = match &config.routing {
        Some(routing) => routing.clone(),
        None => Routing::standard(&config.templates)?,
    };
    if config.channels.sink {
        // Nobody tells what becomes of a message in the sink, so nothing is to be waited for.
        routing.grace = Duration::ZERO;
    }
    let desk = Arc::new(Desk {
        records: records.clone(),
        // Nothing here remembers: a look-up costs no more than a memory would.
        authoritative: records.clone(),
        inbox: store.inbox(),
        deliveries: store.deliveries(),
        routing: Arc::new(routing),
        templates: config.templates.clone(),
        links,
        channels: providers.channels(),
    });
    let from = config.settings.mail_from.clone();
    let mail_by = (mail.clone(), from.clone());
    let actions = workflows::actions(&ports, &desk, mail_by, &providers, &config.connections, records);
    let Providers { sms, whatsapp, push, webhook } = providers;
    let mut router = with_email(Router::new(ports), desk.clone(), mail, from)?;
    if let Some(sms) = sms {
        router = with_sms(router, desk.clone(), sms)?;
    }
    if let Some(whatsapp) = whatsapp {
        router = with_whatsapp(router, desk.clone(), whatsapp)?;
    }
    if let Some(push) = push {
        router = with_push(router, desk.clone(), push)?;
    }
    router = with_webhook(router, desk, webhook)?;
    Ok(workflows::with(router, store, engine, actions)?)
}

/// The consumers that a deployment may have or not.
const CHANNELS: [&str; 5] = ["email", "sms", "whatsapp", "push", "webhook"];

/// Lets no more events into the queues of channels that were on when this folder was served before, and aren't now: nobody would
/// ever take them out. What is there already waits until the channel is on again.
pub(super) async fn end_subscriptions_of_what_is_off(
    store: &Store,
    consumers: &[Arc<Consumer>],
) -> Result<(), StoreError> {
    let is_on = |name: &str| consumers.iter().any(|consumer| consumer.name() == name);
    for queue in store.queues().await? {
        let name = &*queue.name;
        if CHANNELS.contains(&name) && !is_on(name) && store.unsubscribe(name).await? {
            let waiting = queue.depth.visible + queue.depth.in_flight + queue.depth.delayed;
            tracing::warn!(channel = name, waiting, "the channel is off now; its queue gets no more events");
        }
    }
    Ok(())
}
