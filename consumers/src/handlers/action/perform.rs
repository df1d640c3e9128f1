//! The way of a call through the inbox: that of an event, but for the queue.

use std::{future::Future, sync::Arc};

use futures::future::FutureExt as _;
use tracing::Instrument as _;

use super::{
    ActionError, ActionResult,
    head::Head,
    outcome::{Telling, answer},
};
use crate::{
    Context, HandlerError, Limits, Policy, RouterPorts, Span, Verdict,
    inbox::insist,
    meter::measure,
    middleware::{Guard, catch_panic, deadline, guard, not_before},
    moments::since,
};

/// More attempts than any call gets: its caller counts them, as the definition of its workflow says.
const ATTEMPTS: u32 = 1000;

/// Does the job of a call, once, and says what became of it. What was done before is answered as it was then.
pub(super) async fn perform<F, Fut>(
    ports: &RouterPorts,
    policy: Policy,
    call: &Head,
    telling: Telling,
    limits: &Limits,
    job: F,
) -> Result<ActionResult, ActionError>
where
    F: FnOnce(Arc<Context>) -> Fut + Send,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    let (key, name) = (&call.key, call.key.consumer());
    let policy = Policy { max_attempts: ATTEMPTS, ..policy };
    let guarded = Guard {
        clock: &ports.clock,
        rng: &ports.rng,
        inbox: &ports.inbox,
        policy,
        key: key.clone(),
        payload_hash: call.hash,
        replay: call.redrive,
        deliveries: 1,
        keep: ports.keep,
        sink: call.is_of_load_test().then_some(&ports.meter),
    };
    let began = ports.clock.now();
    let span = tracing::info_span!("action", consumer = name, key = %key, attempt = tracing::field::Empty);
    let verdict = guard(guarded, |context| async move {
        tracing::Span::current().record("attempt", context.attempt());
        let job = async {
            too_soon(&policy, &context)?;
            job(context).await
        };
        catch_panic(async { deadline(&*ports.clock, policy.timeout, limits, job).await }).await
    })
    .instrument(span)
    .await;
    measure(&*ports.meter, name, &verdict);
    ports.meter.time(Span::HandlerLatency, name, since(began, ports.clock.now()));
    let record = insist(&*ports.clock, &*ports.rng, || ports.inbox.get(key)).map(|found| match found {
        Ok(record) => Ok(record),
        // Of what failed only the words are missing then.
        Err(_) if !matches!(verdict, Verdict::Ack { .. }) => Ok(None),
        Err(error) => Err(ActionError::throttled("inbox-unreachable", error.to_string())),
    });
    answer(verdict.clone(), record.await?.as_ref(), telling)
}

/// A message waits in its queue before it is sent again. A run calls again when it likes.
fn too_soon(policy: &Policy, cx: &Context) -> Result<(), HandlerError> {
    match not_before(policy, &cx.record()) {
        Some(until) if until > cx.now() => {
            let source = format!("it may have been sent: not again before {until}").into();
            Err(HandlerError::Snooze { until: Some(until), source })
        }
        _ => Ok(()),
    }
}
