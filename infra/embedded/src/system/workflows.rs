//! Workflows: what starts runs, what carries them on, and the actions that they call.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_consumers::{
    EngineWorkflows, Kickoff, Router, RouterError, RouterPorts, WorkflowSteps,
    action::{
        Actions, ApprovalActions, DatabaseActions, HttpActions, MessageActions, RecordActions, WebhookActions, Worded,
    },
    channels::{
        Provider,
        email::{Mail, Sender},
    },
    handlers::{ByEmail, ByPush, BySms, ByWhatsapp, Desk},
    with_workflows,
};
use sendoff_host::connections::Opened;
use sendoff_producers::Records;

use super::providers::Providers;
use crate::Store;

/// The router with the consumers `workflow-kickoff` and `workflow-steps`.
pub(super) fn with(
    router: Router,
    store: &Store,
    engine: Arc<EngineWorkflows>,
    actions: BTreeMap<&'static str, Arc<dyn Actions>>,
) -> Result<Router, RouterError> {
    let records = store.records();
    // Nothing here remembers: a look-up costs no more than a memory would.
    let kickoff = Kickoff::new(records, engine.clone(), store.schedules());
    with_workflows(router, kickoff)?.with(WorkflowSteps::new(engine, actions))
}

/// The actions that runs can call, by their names. Those of a channel that is off are missing.
pub(super) fn actions(
    ports: &RouterPorts,
    desk: &Arc<Desk>,
    mail: (Arc<dyn Provider<Mail>>, Sender),
    providers: &Providers,
    connections: &Opened,
    records: Arc<dyn Records>,
) -> BTreeMap<&'static str, Arc<dyn Actions>> {
    let message = Messages { ports, desk };
    let (provider, from) = mail;
    let email = message.by(ByEmail { provider, from });
    let webhook = WebhookActions::new(ports.clone(), desk.clone(), providers.webhook.clone());
    let approval = ApprovalActions::new(ports.clone(), records.clone(), email.clone(), desk.links.clone());
    let mut actions: BTreeMap<&'static str, Arc<dyn Actions>> = BTreeMap::new();
    actions.insert("email", email);
    actions.insert("webhook", Arc::new(webhook));
    actions.insert("approval", Arc::new(approval));
    actions.insert("record", Arc::new(RecordActions::new(ports.clone(), records)));
    actions.insert("http", Arc::new(HttpActions::new(ports.clone(), connections.http.clone())));
    actions.insert("database", Arc::new(DatabaseActions::new(ports.clone(), connections.databases.clone())));
    if let Some(provider) = providers.sms.clone() {
        actions.insert("sms", message.by(BySms { provider }));
    }
    if let Some(provider) = providers.whatsapp.clone() {
        actions.insert("whatsapp", message.by(ByWhatsapp { provider }));
    }
    if let Some(provider) = providers.push.clone() {
        actions.insert("push", message.by(ByPush { provider }));
    }
    actions
}

/// What messages to people are sent with.
struct Messages<'a> {
    ports: &'a RouterPorts,
    desk: &'a Arc<Desk>,
}

impl Messages<'_> {
    fn by<W: Worded>(&self, way: W) -> Arc<dyn Actions> {
        Arc::new(MessageActions::new(self.ports.clone(), self.desk.clone(), Arc::new(way)))
    }
}
