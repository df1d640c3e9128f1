//! The consumers of the simulation: one for each kind of effect and each choice in doubt, all of them unreliable.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Backoff, Context, Effect, Handler, HandlerError, OnDoubt, Once, Policy, join_outcomes};
use sendoff_events::{AppAssigned, Envelope};

use super::{Network, Provider};

/// How long a message waits each time.
const WAITS: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(20) };

const POLICY: Policy = Policy {
    max_attempts: 4,
    backoff: WAITS,
    deferral: WAITS,
    timeout: Duration::from_secs(6),
    effect: Effect::Repeatable,
    on_doubt: OnDoubt::Resend,
};

/// What a handler works with.
#[derive(Clone)]
pub(super) struct World {
    pub(super) provider: Provider,
    pub(super) network: Arc<Network>,
}

impl World {
    /// A handler's own bad luck: it panics, or hangs until its deadline.
    async fn stumble(&self, cx: &Context) {
        if self.network.happens(15) {
            // A panic like any other, but the hook prints no backtrace a thousand times.
            std::panic::resume_unwind(Box::new("bad luck"));
        }
        if self.network.happens(15) {
            cx.clock().sleep(Duration::from_secs(3600)).await;
        }
    }

    async fn send(&self, cx: &Context, step: &str) -> Result<Once, HandlerError> {
        self.stumble(cx).await;
        let sent = cx
            .once(step, |key| async move {
                self.stumble(cx).await;
                let outcome = self.provider.send(key).await;
                self.stumble(cx).await;
                outcome
            })
            .await;
        self.stumble(cx).await;
        sent
    }
}

/// An effect that may be repeated.
pub(super) struct Audit(pub(super) World);

impl Handler for Audit {
    type Event = AppAssigned;
    const NAME: &'static str = "audit";
    const POLICY: Policy = POLICY;

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        self.0.send(cx, "effect").await.map(drop)
    }
}

/// A mail: sent again when in doubt.
pub(super) struct Mail(pub(super) World);

impl Handler for Mail {
    type Event = AppAssigned;
    const NAME: &'static str = "mail";
    const POLICY: Policy = Policy { effect: Effect::Once, ..POLICY };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        self.0.send(cx, "recipient").await.map(drop)
    }
}

/// Two text messages, sent side by side: never again when in doubt.
pub(super) struct Text(pub(super) World);

impl Handler for Text {
    type Event = AppAssigned;
    const NAME: &'static str = "text";
    const POLICY: Policy =
        Policy { effect: Effect::Once, on_doubt: OnDoubt::Hold { window: Duration::from_secs(60) }, ..POLICY };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let (ada, bob) = futures::join!(self.0.send(cx, "ada"), self.0.send(cx, "bob"));
        join_outcomes([ada, bob])
    }
}

/// The steps of each consumer.
pub(super) const STEPS: [(&str, &[&str]); 3] =
    [("audit", &["effect"]), ("mail", &["recipient"]), ("text", &["ada", "bob"])];
