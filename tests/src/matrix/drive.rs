//! One message, driven through the real protocol until it has come to an end.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{
    Attributes, Context, Delivery, Handler, HandlerError, IdempotencyKey, Limits, NoMeter, Policy, Receipt, Router,
    RouterPorts, Status, Verdict,
    channels::{Guarded, Provider, email::Mail, push::Push, sms::Sms, webhook::Webhook, whatsapp::Whatsapp},
    handlers::{ByEmail, ByPush, BySms, ByWhatsapp, CallWebhooks, Way},
};
use sendoff_events::{AppAssigned, Clock as _, Envelope, Event as _, Origin};
use sendoff_host::SystemRng;

use super::{End, OnDoubt};
use crate::{
    conformance::WarpClock,
    memory::{Link, Remote},
};

/// A message that was delivered so often and has come to no end counts as one that waits. Twelve days, after which it is no longer put
/// off, are far from over then.
const DELIVERIES: u32 = 90;

/// Makes the message for an idempotency key.
pub(super) type Make<M> = Arc<dyn Fn(String) -> M + Send + Sync>;

/// A message of a channel, with the policy that the channel's own consumer has.
pub(super) trait Message: Send + Sync + 'static {
    /// The policy.
    const POLICY: Policy;
}

impl Message for Mail {
    const POLICY: Policy = ByEmail::POLICY;
}

impl Message for Sms {
    const POLICY: Policy = BySms::POLICY;
}

impl Message for Whatsapp {
    const POLICY: Policy = ByWhatsapp::POLICY;
}

impl Message for Push {
    const POLICY: Policy = ByPush::POLICY;
}

impl Message for Webhook {
    const POLICY: Policy = CallWebhooks::<AppAssigned>::POLICY;
}

/// What is done about a doubt: what the channel's own policy says, where it is of that kind; else as text messages are held, or
/// mails are sent again.
const fn on_doubt(own: sendoff_consumers::OnDoubt, hold: bool) -> sendoff_consumers::OnDoubt {
    match (hold, own.resends()) {
        (true, false) | (false, true) => own,
        (true, true) => BySms::POLICY.on_doubt,
        (false, false) => ByEmail::POLICY.on_doubt,
    }
}

/// A handler that sends one message.
struct Deliver<M, const HOLD: bool> {
    provider: Arc<dyn Provider<M>>,
    make: Make<M>,
}

impl<M: Message, const HOLD: bool> Handler for Deliver<M, HOLD> {
    type Event = AppAssigned;
    const NAME: &'static str = "matrix";
    const POLICY: Policy = Policy {
        // The machine may be slow; how long a peer is waited for is the client's setting.
        timeout: Duration::from_secs(3600),
        on_doubt: on_doubt(M::POLICY.on_doubt, HOLD),
        ..M::POLICY
    };

    async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let step = "ada";
        let message = (self.make)(cx.key().step(step));
        let (provider, message) = (&*self.provider, &message);
        let send =
            |sending: sendoff_consumers::Sending| async move { provider.send(message, sending.doubt.as_ref()).await };
        let find = |doubt: sendoff_consumers::Doubt| async move { provider.find(message, &doubt).await };
        cx.once_or_found(step, send, find).await.map(drop)
    }
}

/// The provider as it stands in a running system: behind its circuit.
pub(super) fn guarded<M, P, E>(made: Result<P, E>, clock: &WarpClock) -> Arc<dyn Provider<M>>
where
    M: Send + Sync + 'static,
    P: Provider<M> + 'static,
    E: std::fmt::Debug,
{
    let provider = Arc::new(made.expect("a provider"));
    Arc::new(Guarded::new(provider, Arc::new(clock.clone()), Arc::new(SystemRng::new())))
}

/// Sends one message through `provider` under the policy, as often as its queue would deliver it. Gives its idempotency key and
/// what became of it.
pub(super) async fn drive<M: Message>(
    provider: Arc<dyn Provider<M>>,
    make: Make<M>,
    on_doubt: OnDoubt,
    clock: &WarpClock,
) -> (String, End) {
    let inbox = Arc::new(Remote::new(Arc::default(), Link::Direct, Arc::new(clock.clone())));
    let ports = RouterPorts {
        inbox: inbox.clone(),
        clock: Arc::new(clock.clone()),
        rng: Arc::new(SystemRng::new()),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let rng = ports.rng.clone();
    let router = Router::new(ports);
    let router = match on_doubt {
        OnDoubt::Hold => router.with(Deliver::<M, true> { provider, make }),
        OnDoubt::Resend => router.with(Deliver::<M, false> { provider, make }),
    };
    let router = router.expect("one handler");
    let consumer = router.consumer("matrix").expect("the consumer").clone();
    let id = |text: &str| text.parse().expect("a user id");
    let event = AppAssigned { app_id: "crm".parse().expect("an app id"), user_id: id("ada"), assigned_by: id("root") };
    let origin = Origin {
        source: format!("/test/{}", AppAssigned::TYPE),
        tenant: "acme".parse().expect("a tenant"),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let envelope = Envelope::new(event, origin, None, clock, &*rng);
    let key = IdempotencyKey::new("matrix", envelope.header.id);
    let mut delivery = Delivery {
        receipt: Receipt::new("1"),
        message_id: "1".into(),
        body: envelope.encode().expect("an envelope").into_body(),
        attributes: Attributes::new(),
        receive_count: 0,
        sent_at: clock.now(),
    };
    let end = loop {
        delivery.receive_count += 1;
        match consumer.process(&delivery, &Limits::none()).await {
            Verdict::Ack { .. } => break End::Done,
            Verdict::DeadLetter(failure) => {
                use sendoff_consumers::Inbox as _;
                let record = inbox.get(&key).await.expect("the inbox").expect("its record");
                break if record.status == Status::InDoubt { End::InDoubt } else { End::Dead(failure.reason) };
            }
            Verdict::Retry { after } | Verdict::Snooze { after, .. } => {
                if delivery.receive_count == DELIVERIES {
                    break End::Waits;
                }
                clock.advance(after.max(Duration::from_millis(1)));
            }
            Verdict::Superseded => unreachable!("nobody else is at work"),
        }
    };
    (key.step("ada"), end)
}
