use std::time::Duration;

use sendoff_consumers::{Backoff, Context, Effect, Handler, HandlerError, OnDoubt, Policy};
use sendoff_events::{AppAssigned, Envelope};

use super::{HELD, REPEATABLE, RESENT, STEP, link::Link};

/// More attempts than there are kills: each may hit the same message.
/// How long a message waits each time.
const WAITS: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(5) };

const POLICY: Policy = Policy {
    max_attempts: 100,
    backoff: WAITS,
    deferral: WAITS,
    timeout: Duration::from_secs(30),
    effect: Effect::Once,
    on_doubt: OnDoubt::Hold { window: Duration::ZERO },
};

async fn effect(link: &Link, cx: &Context) -> Result<(), HandlerError> {
    cx.once(STEP, |key| link.send(key)).await.map(drop)
}

pub(super) struct Repeatable(pub(super) Link);

impl Handler for Repeatable {
    type Event = AppAssigned;
    const NAME: &'static str = REPEATABLE;
    const POLICY: Policy = Policy { effect: Effect::Repeatable, ..POLICY };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        effect(&self.0, cx).await
    }
}

pub(super) struct Held(pub(super) Link);

impl Handler for Held {
    type Event = AppAssigned;
    const NAME: &'static str = HELD;
    const POLICY: Policy = POLICY;

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        effect(&self.0, cx).await
    }
}

pub(super) struct Resent(pub(super) Link);

impl Handler for Resent {
    type Event = AppAssigned;
    const NAME: &'static str = RESENT;
    const POLICY: Policy = Policy { on_doubt: OnDoubt::Resend, ..POLICY };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        effect(&self.0, cx).await
    }
}
