//! What stands in the table of the inbox beside its records: delivery records, rate limits, the index of doubts, and what people
//! decided about them.

mod settling;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use sendoff_aws::Store;
use sendoff_consumers::{
    Claim, Claimed, DeliveryId, DeliveryNews, DeliveryStatus, IdempotencyKey, InboxRecord, Rate, Resolution, Resolved,
    Status, Step, StepState, merge, resolve,
};
use sendoff_events::{Clock, EventId, Timestamp, at_millis};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::conformance::{Backend as _, OnAws, WarpClock};

const KEEP: Duration = Duration::from_secs(90 * 86_400);

fn run<F: Future<Output = ()>>(test: impl FnOnce(OnAws) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { test(OnAws::open().await).await });
}

fn key(consumer: &str, n: u8) -> IdempotencyKey {
    IdempotencyKey::new(consumer, EventId::from_bytes([n; 16]))
}

fn news(status: DeliveryStatus, millis: i64) -> DeliveryNews {
    DeliveryNews {
        status,
        provider: "twilio".into(),
        provider_id: Some("SM1".into()),
        reason: (status == DeliveryStatus::Undelivered).then(|| "30006".into()),
        at: Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap(),
    }
}

#[test]
fn news_of_a_message_come_to_what_the_rule_says_in_whatever_order_and_however_often_they_are_told() {
    use DeliveryStatus::{Accepted, Delivered, Read, Sent, Undelivered};
    run(|backend| async move {
        let deliveries = backend.store().deliveries(KEEP);
        for (n, told) in [
            vec![Accepted, Sent, Delivered, Read],
            vec![Read, Delivered, Sent, Accepted],
            vec![Sent, Undelivered, Sent, Delivered, Undelivered],
            vec![Sent, Sent],
        ]
        .into_iter()
        .enumerate()
        {
            let id = DeliveryId::new(key("sms", n as u8), "ada/with slash");
            assert_eq!(deliveries.get(&id).await.unwrap(), None);
            let mut known = None;
            for (millis, status) in (0..).zip(&told) {
                let news = news(*status, millis);
                let changed = merge(known.as_ref(), &news, news.at);
                assert_eq!(deliveries.tell(&id, &news, news.at).await.unwrap(), changed.is_some(), "{told:?}");
                known = changed.or(known);
                assert_eq!(deliveries.get(&id).await.unwrap(), known, "{told:?}");
            }
        }
    });
}

#[test]
fn of_many_who_tell_at_once_the_furthest_news_stand() {
    use DeliveryStatus::{Accepted, Delivered, Sent, Undelivered};
    run(|backend| async move {
        let deliveries = backend.store().deliveries(KEEP);
        let id = DeliveryId::new(key("sms", 9), "ada");
        let all = [Sent, Delivered, Accepted, Undelivered, Delivered, Sent].map(|status| news(status, 0));
        let told = join_all(all.iter().map(|news| deliveries.tell(&id, news, news.at))).await;
        assert!(told.into_iter().filter(|told| *told.as_ref().unwrap()).count() >= 1);
        assert_eq!(deliveries.get(&id).await.unwrap().unwrap().status, Delivered);
    });
}

/// Another process of the same deployment: it has seen nothing yet.
fn process(store: &Store) -> Store {
    let clock = Arc::new(WarpClock::from(SystemClock.now()));
    Store::new(store.aws().clone(), store.resources().clone(), clock, Arc::new(SystemRng::new()))
}

#[test]
fn processes_that_share_a_bucket_let_through_no_more_than_its_rate() {
    run(|backend| async move {
        let rate = Rate { interval: Duration::from_millis(100), burst: 5 };
        let processes = [(); 4].map(|()| process(backend.store()).rates());
        let mut now = at_millis(SystemClock.now());
        for round in 0..3 {
            let takes = join_all((0..12).map(|n| processes[n % 4].take("twilio/+4930123456", rate, now))).await;
            let taken = takes.iter().filter(|take| take.as_ref().unwrap().is_none()).count();
            // All at once after a quiet time, then what half a second brings, then nothing.
            assert_eq!(taken, [5, 5, 0][round], "round {round}: {takes:?}");
            for wait in takes.into_iter().filter_map(Result::unwrap) {
                assert!(!wait.is_zero() && wait <= Duration::from_millis(500), "{wait:?}");
            }
            now += Duration::from_millis([500, 0, 0][round]);
        }
        assert_eq!(processes[0].take("meta/1", rate, now).await, Ok(None), "each bucket has its own");
    });
}

#[test]
fn who_waits_as_long_as_they_were_told_gets_through_and_not_a_moment_before() {
    run(|backend| async move {
        let rate = Rate::per_second(14);
        let (one, other) = (process(backend.store()).rates(), process(backend.store()).rates());
        let now = at_millis(SystemClock.now());
        for _ in 0..14 {
            assert_eq!(one.take("ses", rate, now).await, Ok(None));
        }
        let wait = other.take("ses", rate, now).await.unwrap().expect("the burst is used up");
        assert!(other.take("ses", rate, now + wait - Duration::from_micros(1)).await.unwrap().is_some());
        assert_eq!(other.take("ses", rate, now + wait).await, Ok(None));
        assert!(one.take("ses", rate, now + wait).await.unwrap().is_some());
    });
}

/// A record that is in doubt.
pub(super) async fn left_in_doubt(backend: &OnAws, key: &IdempotencyKey) -> InboxRecord {
    let at = at_millis(SystemClock.now()) - Duration::from_secs(600);
    left(backend, key, StepState::InDoubt, Status::InDoubt, at).await
}

/// A record with one step in this state, as its consumer leaves it.
async fn left(backend: &OnAws, key: &IdempotencyKey, state: StepState, status: Status, at: Timestamp) -> InboxRecord {
    let claim = Claim {
        key: key.clone(),
        fence: 7,
        payload_hash: [1; 32],
        replay: 0,
        now: at,
        lease_until: at + Duration::from_secs(60),
        reconcile: false,
    };
    let Claimed::Won(mut record) = backend.inbox().claim(&claim).await.unwrap() else { panic!("it is new") };
    let step = Step {
        state,
        doubted: false,
        at,
        provider: Some("twilio".into()),
        provider_id: None,
        reason: None,
        mark: None,
        result: None,
    };
    record.steps.insert("ada".into(), step);
    (record.status, record.revision) = (status, record.revision + 1);
    backend.inbox().write(&record).await.unwrap();
    record
}

#[test]
fn a_record_that_cannot_be_read_keeps_no_other_from_being_listed_and_is_run_by_nobody() {
    run(|backend| async move {
        let (store, now) = (backend.store(), at_millis(SystemClock.now()));
        let whole = left(&backend, &key("sms", 1), StepState::InDoubt, Status::InDoubt, now).await;
        let damaged = left(&backend, &key("sms", 2), StepState::InDoubt, Status::InDoubt, now).await;
        let update = store.aws().dynamodb().update_item().table_name(&store.resources().inbox_table);
        let update = update.key("id", AttributeValue::S(damaged.key.to_string()));
        let update = update.update_expression("SET #state = :state").expression_attribute_names("#state", "state");
        update.expression_attribute_values(":state", AttributeValue::S("asleep".into())).send().await.unwrap();
        assert_eq!(store.doubts(None, 100).await.unwrap(), std::slice::from_ref(&whole));
        let keys = [damaged.key.clone(), whole.key.clone()];
        let ledger = backend.dead_letter_queues().ledger(&keys).await.unwrap();
        let told: Vec<_> = ledger.into_iter().flatten().map(|record| (record.status, record.history.len())).collect();
        assert_eq!(told, [(Status::InDoubt, 1), (Status::InDoubt, 0)]);
        let claim = Claim {
            key: damaged.key,
            fence: 8,
            payload_hash: [1; 32],
            replay: 1,
            now,
            lease_until: now + Duration::from_secs(60),
            reconcile: true,
        };
        let claimed = backend.inbox().claim(&claim).await.unwrap();
        let Claimed::Settled(record) = claimed else { panic!("{claimed:?}") };
        assert_eq!((record.status, record.history[0].reason.as_str()), (Status::InDoubt, "record-damaged"));
    });
}

#[test]
fn what_is_in_doubt_is_listed_the_oldest_first_until_it_is_settled() {
    run(|backend| async move {
        let store = backend.store();
        let now = at_millis(SystemClock.now());
        let ago = |seconds| now - Duration::from_secs(seconds);
        let newer = left(&backend, &key("sms", 1), StepState::InDoubt, Status::InDoubt, ago(60)).await;
        let older = left(&backend, &key("whatsapp", 2), StepState::InDoubt, Status::InDoubt, ago(600)).await;
        left(&backend, &key("sms", 3), StepState::Done, Status::Done, ago(600)).await;
        left(&backend, &key("sms", 4), StepState::Sending, Status::Claimed, ago(600)).await;
        left(&backend, &key("sms", 5), StepState::Failed, Status::Failed, ago(600)).await;
        // Neither of these is a record.
        store
            .deliveries(KEEP)
            .tell(&DeliveryId::new(key("sms", 1), "ada"), &news(DeliveryStatus::Sent, 0), now)
            .await
            .unwrap();
        store.rates().take("twilio", Rate::per_second(1), now).await.unwrap();

        assert_eq!(store.doubts(None, 100).await.unwrap(), [older.clone(), newer.clone()]);
        assert_eq!(store.doubts(None, 1).await.unwrap(), [older]);
        assert_eq!(store.doubts(Some("sms"), 100).await.unwrap(), std::slice::from_ref(&newer));
        assert_eq!(store.doubts(Some("email"), 100).await.unwrap(), []);

        let (inbox, sent) = (store.inbox(), Resolution::Sent { provider_id: None });
        let resolved = resolve(&*inbox, &newer.key, "ada", &sent, "seen by hand", now, &SystemRng::new()).await;
        assert_eq!(resolved, Ok(Resolved::Now));
        assert_eq!(store.doubts(Some("sms"), 100).await.unwrap(), []);
        let left: BTreeSet<String> =
            store.doubts(None, 100).await.unwrap().into_iter().map(|record| record.key.to_string()).collect();
        assert_eq!(left, BTreeSet::from([key("whatsapp", 2).to_string()]));
    });
}
