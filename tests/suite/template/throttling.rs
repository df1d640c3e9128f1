//! A message that its provider throttles for ever, on the queues of the template: neither does SQS move it without a reason, nor
//! does it delete it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{executor::block_on, future::pending};
use sendoff_consumers::{
    Attributes, Consumer, Context, Delivery, Failure, Handler, HandlerError, IdempotencyKey, InboxRecord, Limits,
    NoMeter, NotSent, Policy, Receipt, Router, RouterPorts, SendOutcome, Verdict, WORKFLOW_KICKOFF,
    handlers::{ByEmail, ByPush, BySms, ByWhatsapp, CallWebhooks, Way as _},
};
use sendoff_events::{AppAssigned, BoxFuture, Clock, Envelope, Origin, Timestamp};
use sendoff_tests::{
    memory::{Link, Remote, lock},
    simulation::World,
};

use super::TEMPLATE;

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that stands where it is put.
struct At(Mutex<Timestamp>);

impl Clock for At {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
}

/// What a provider says that never has room: how long to wait.
#[derive(Clone, Copy)]
struct Says(Option<Duration>);

/// A handler with the policy of one of ours, whose provider never has room.
macro_rules! throttled {
    ($($handler:ident: $name:expr, $policy:expr;)+) => {
        $(struct $handler(Says);

        impl Handler for $handler {
            type Event = AppAssigned;
            const NAME: &'static str = $name;
            const POLICY: Policy = $policy;

            async fn handle(&self, _: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
                let Says(after) = self.0;
                let busy = SendOutcome::NotSent(NotSent::Throttled { after, reason: "429".into() });
                cx.once("ada", |_| async { busy }).await.map(drop)
            }
        })+

        fn router(ports: RouterPorts, says: Says) -> Router {
            let router = Router::new(ports);
            $(let router = router.with($handler(says)).unwrap();)+
            router
        }
    };
}

throttled! {
    Mail: ByEmail::NAME, ByEmail::POLICY;
    Text: BySms::NAME, BySms::POLICY;
    Whatsapp: ByWhatsapp::NAME, ByWhatsapp::POLICY;
    Notification: ByPush::NAME, ByPush::POLICY;
    Webhook: CallWebhooks::<AppAssigned>::NAME, CallWebhooks::<AppAssigned>::POLICY;
    Kickoff: WORKFLOW_KICKOFF, Policy::DEFAULT;
}

/// What the template's queue of a consumer allows a message.
struct Allowed {
    received: u32,
    kept: Duration,
}

fn allowed(consumer: &str) -> Allowed {
    let named = serde_json::json!({ "Fn::Sub": format!("${{AWS::StackName}}-{consumer}") });
    let queues = TEMPLATE.resources("AWS::SQS::Queue");
    let queue = queues.iter().find(|(_, queue)| queue["Properties"]["QueueName"] == named).expect("it has a queue").1;
    let number = |value| TEMPLATE.number(value).expect("a number");
    Allowed {
        received: number(&queue["Properties"]["RedrivePolicy"]["maxReceiveCount"]) as u32,
        kept: Duration::from_secs_f64(number(&queue["Properties"]["MessageRetentionPeriod"])),
    }
}

/// How it ended: after how long, with how many calls in the first hour, and why.
struct End {
    waited: Duration,
    early: usize,
    failure: Failure,
}

/// Delivers a message again and again, as its queue does. The message is held to what the queue allows all the while.
fn played(consumer: &Consumer, clock: &At, body: &Bytes) -> End {
    let (allowed, begun) = (allowed(consumer.name()), clock.now());
    let (mut sent_at, mut receive_count, mut early) = (begun, 0, 0);
    loop {
        receive_count += 1;
        let now = clock.now();
        let waited = Duration::try_from(now.duration_since(begun)).unwrap();
        early += usize::from(waited < Duration::from_secs(3600));
        let (receipt, attributes) = (Receipt::new("r"), Attributes::new());
        let delivery =
            Delivery { receipt, message_id: "m".into(), body: body.clone(), attributes, receive_count, sent_at };
        let after = match block_on(consumer.process(&delivery, &Limits::none())) {
            Verdict::Snooze { after, .. } => after,
            Verdict::DeadLetter(failure) => return End { waited, early, failure: *failure },
            other => panic!("{other:?}"),
        };
        let due = now + after;
        if sendoff_aws::comes_back_as_new(&delivery, after, now) {
            (sent_at, receive_count) = (due, 0);
        }
        assert!(receive_count < allowed.received, "SQS moves it without a reason after {waited:?}");
        let age = Duration::try_from(due.duration_since(sent_at)).unwrap();
        assert!(age < allowed.kept, "SQS deletes it without a word after {waited:?}");
        *lock(&clock.0) = due;
    }
}

#[test]
fn what_is_throttled_for_ever_is_a_dead_letter_with_a_reason_after_twelve_days() {
    for after in [None, Some(1), Some(10 * 3600)] {
        let says = Says(after.map(Duration::from_secs));
        let world = World::new(7);
        let clock = Arc::new(At(Mutex::new(world.clock().now())));
        let inbox: Remote<BTreeMap<IdempotencyKey, InboxRecord>> =
            Remote::new(Arc::default(), Link::Direct, clock.clone());
        let ports = RouterPorts {
            inbox: Arc::new(inbox),
            clock: clock.clone(),
            rng: Arc::new(world.rng()),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        for consumer in router(ports, says).consumers() {
            let end = played(consumer, &clock, &event(&*clock, &world));
            let told = format!("{}, Retry-After: {after:?}, {:?}", consumer.name(), end.waited);
            assert_eq!((end.failure.reason.as_str(), end.failure.attempts), ("put-off-too-long", 0), "{told}");
            // A message that came back as a new one has as many chances as one that is replayed.
            assert!(end.waited >= 12 * DAY && end.waited < 20 * DAY, "{told}");
            assert!(end.early <= 40, "{told}: {} calls in the first hour", end.early);
        }
    }
}

fn event(clock: &dyn Clock, world: &World) -> Bytes {
    let event = AppAssigned {
        app_id: "crm".parse().unwrap(),
        user_id: "ada".parse().unwrap(),
        assigned_by: "root".parse().unwrap(),
    };
    let origin = Origin {
        source: "/test".into(),
        tenant: "acme".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(event, origin, None, clock, &world.rng()).encode().unwrap().into_body()
}
