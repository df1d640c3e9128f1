//! What the API needs from outside.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{Either, select},
};
use sendoff_events::{Clock, Outgoing, Rng};
use sendoff_workflows::{Plan, Problems};

use super::{KeySet, Limits, contact};
use crate::{
    Outbox, Publisher, Records,
    model::{Channel, MailFlaw, MailTemplate},
    relay,
};

/// How long an answer waits for the topic. What takes longer is left to the relay.
const FAST_PATH: Duration = Duration::from_secs(1);

/// The records, keys, clock and limits that the API works with. Cloning it is cheap.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    records: Arc<dyn Records>,
    fast_path: Option<(Arc<dyn Outbox>, Arc<dyn Publisher>)>,
    keys: KeySet,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    limits: Limits,
    plain_webhooks: BTreeSet<String>,
    load_tests: bool,
    mail_flaws: MailFlaws,
    workflow_check: Arc<WorkflowCheck>,
    channels: Option<BTreeSet<Channel>>,
}

/// Tells why a workflow can't be carried out here, though its definition is right.
type WorkflowCheck = dyn Fn(&Plan) -> Result<(), Problems> + Send + Sync;

/// Tells what is wrong with an app's own mail template. Whoever runs the templates knows.
pub type MailFlaws = fn(&MailTemplate) -> Vec<MailFlaw>;

impl ApiState {
    /// An API over `records` that accepts tokens signed with `keys`, for a backend that publishes as it commits.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, keys: KeySet, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self(Arc::new(Inner {
            records,
            fast_path: None,
            keys,
            clock,
            rng,
            limits: Limits::default(),
            plain_webhooks: BTreeSet::new(),
            load_tests: false,
            mail_flaws: |_| Vec::new(),
            workflow_check: Arc::new(|_| Ok(())),
            channels: None,
        }))
    }

    /// The same API, refusing mail templates of apps in which `flaws` finds something. Otherwise a mistake shows when the first mail
    /// is dead-lettered.
    #[must_use]
    pub fn with_mail_flaws(mut self, flaws: MailFlaws) -> Self {
        Arc::make_mut(&mut self.0).mail_flaws = flaws;
        self
    }

    pub(super) fn mail_flaws(&self, template: &MailTemplate) -> Vec<MailFlaw> {
        (self.0.mail_flaws)(template)
    }

    /// The same API, refusing to publish a workflow in which `check` finds something that whoever carries runs out can't do.
    /// Otherwise it takes the place of the version before it, and each of its starts is dead-lettered.
    #[must_use]
    pub fn with_workflow_check(
        mut self,
        check: impl Fn(&Plan) -> Result<(), Problems> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.0).workflow_check = Arc::new(check);
        self
    }

    /// The same API, refusing to publish a workflow that sends by another channel than these. Without them all are taken to be on.
    #[must_use]
    pub fn with_channels(mut self, channels: BTreeSet<Channel>) -> Self {
        Arc::make_mut(&mut self.0).channels = Some(channels);
        self
    }

    pub(super) fn channels(&self) -> Option<&BTreeSet<Channel>> {
        self.0.channels.as_ref()
    }

    pub(super) fn check_workflow(&self, plan: &Plan) -> Result<(), Problems> {
        (self.0.workflow_check)(plan)
    }

    /// The same API, publishing right after each commit instead of leaving it to the relay. It never makes a request
    /// fail, and never holds an answer up for more than a second.
    #[must_use]
    pub fn with_fast_path(mut self, outbox: Arc<dyn Outbox>, publisher: Arc<dyn Publisher>) -> Self {
        Arc::make_mut(&mut self.0).fast_path = Some((outbox, publisher));
        self
    }

    /// The same API with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        Arc::make_mut(&mut self.0).limits = limits;
        self
    }

    /// The same API, taking the events of load tests, whose messages go nowhere: where the caller says by the correlation id that a
    /// request is one. Otherwise such a request is refused.
    #[must_use]
    pub fn with_load_tests(mut self, allowed: bool) -> Self {
        Arc::make_mut(&mut self.0).load_tests = allowed;
        self
    }

    pub(super) fn takes_load_tests(&self) -> bool {
        self.0.load_tests
    }

    /// The same API, taking webhooks at these `host:port` wherever they are, and by plain http, too: for development, where no
    /// certificate is at hand.
    #[must_use]
    pub fn with_plain_webhooks(mut self, allowed: impl IntoIterator<Item = String>) -> Self {
        Arc::make_mut(&mut self.0).plain_webhooks = allowed.into_iter().collect();
        self
    }

    /// Whether the rules for the addresses of webhooks don't hold for this one.
    pub(super) fn takes_webhooks_at(&self, url: &str) -> bool {
        let Some(uri) = contact::web_address(url) else { return false };
        let usual = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return false,
        };
        let (host, port) = (uri.host().unwrap_or_default().to_ascii_lowercase(), uri.port_u16().unwrap_or(usual));
        self.0.plain_webhooks.contains(&format!("{host}:{port}"))
    }

    pub(super) fn records(&self) -> &dyn Records {
        &*self.0.records
    }

    pub(super) fn keys(&self) -> &KeySet {
        &self.0.keys
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn rng(&self) -> &dyn Rng {
        &*self.0.rng
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Publishes committed events on the fast path, if there is one. Whatever goes wrong, they are in the outbox.
    pub(super) async fn publish(&self, events: &[Outgoing]) {
        let Some((outbox, publisher)) = self.0.fast_path.as_ref().filter(|_| !events.is_empty()) else { return };
        let publish = AssertUnwindSafe(relay::publish_committed(&**outbox, &**publisher, events)).catch_unwind();
        match select(pin!(publish), self.0.clock.sleep(FAST_PATH)).await {
            Either::Left((Ok(relayed), _)) if relayed.left.is_empty() => {}
            Either::Left((Ok(relayed), _)) => {
                for (event_id, error) in relayed.left {
                    tracing::warn!(%event_id, %error, "an event was not published right away; the relay will do it");
                }
            }
            Either::Left((Err(_), _)) => {
                tracing::error!(events = events.len(), "the publisher panicked; the relay will publish");
            }
            Either::Right(_) => {
                tracing::warn!(events = events.len(), "publishing takes too long; the relay will do it");
            }
        }
    }
}
