//! Deliveries: what providers tell of messages, in whatever order and however often it comes.

use futures::future::join_all;
use sendoff_consumers::{DeliveryId, DeliveryNews, DeliveryRecord, DeliveryStatus, IdempotencyKey, merge};
use sendoff_events::{Rng as _, Timestamp};

use super::{
    Backend,
    given::{event_id, moment},
};

use DeliveryStatus::{Accepted, Complained, Delivered, Read, Sent, Undelivered};

const EVERY: [DeliveryStatus; 6] = [Accepted, Sent, Undelivered, Delivered, Read, Complained];

/// When their messages were begun: before everything.
const BEGUN: Timestamp = Timestamp::UNIX_EPOCH;

fn id_of(backend: &dyn Backend) -> DeliveryId {
    DeliveryId::new(IdempotencyKey::new("sms", event_id(backend)), "ada")
}

/// News that say by their provider's id which they are.
fn news(status: DeliveryStatus, name: &str) -> DeliveryNews {
    DeliveryNews { status, provider: "twilio".into(), provider_id: Some(name.into()), reason: None, at: moment(1) }
}

async fn tell(backend: &dyn Backend, id: &DeliveryId, news: &DeliveryNews) -> bool {
    backend.deliveries().tell(id, news, BEGUN).await.expect("the delivery records answer")
}

async fn known(backend: &dyn Backend, id: &DeliveryId) -> Option<DeliveryRecord> {
    backend.deliveries().get(id).await.expect("the delivery records answer")
}

pub(super) async fn of_a_message_without_news_nothing_is_known(backend: &dyn Backend) {
    assert_eq!(known(backend, &id_of(backend)).await, None);
}

pub(super) async fn every_field_of_the_news_comes_back_as_it_was(backend: &dyn Backend) {
    for status in EVERY {
        let full = DeliveryNews {
            status,
            provider: "méta".into(),
            provider_id: Some("wamid.HBgL…==".into()),
            reason: Some("131026: ünd \"so\" 漢字 🦀 \\ ' %".repeat(30)),
            at: moment(77),
        };
        let bare = DeliveryNews { provider_id: None, reason: None, ..full.clone() };
        for news in [full, bare] {
            let id = id_of(backend);
            assert!(tell(backend, &id, &news).await);
            assert_eq!(known(backend, &id).await, Some(news));
        }
    }
}

pub(super) async fn news_in_any_order_come_to_the_same(backend: &dyn Backend) {
    let rng = crate::simulation::World::new(20_261_126).rng();
    let draw = |n: u64| rng.next_u64() % n;
    for _ in 0..12 {
        let id = id_of(backend);
        let mut left: Vec<_> = EVERY.into_iter().chain([Sent, Delivered, Accepted]).collect();
        let mut model = None;
        while !left.is_empty() {
            let status = left.swap_remove(draw(left.len() as u64) as usize);
            let news = news(status, &format!("{status:?} when {} are left", left.len()));
            let newer = merge(model.as_ref(), &news, BEGUN);
            assert_eq!(tell(backend, &id, &news).await, newer.is_some(), "{news:?} after {model:?}");
            model = newer.or(model);
            assert_eq!(known(backend, &id).await, model);
        }
        assert_eq!(model.map(|record| record.status), Some(Complained));
    }
}

pub(super) async fn news_of_one_message_are_not_taken_for_news_of_another(backend: &dyn Backend) {
    let id = id_of(backend);
    assert!(tell(backend, &id, &news(Undelivered, "SM1")).await);
    assert!(tell(backend, &id, &news(Sent, "SM2")).await, "it is on its way, whatever became of the other one");
    assert!(!tell(backend, &id, &news(Undelivered, "SM1")).await);
    assert!(tell(backend, &id, &news(Undelivered, "SM2")).await);
    let rng = crate::simulation::World::new(20_261_127).rng();
    let draw = |n: usize| (rng.next_u64() % n as u64) as usize;
    for _ in 0..12 {
        let (id, mut model) = (id_of(backend), None);
        for _ in 0..12 {
            let name = [None, Some("SM1"), Some("SM2"), Some("SM3")][draw(4)];
            let (at, since) = (moment(draw(4) as i64), moment(draw(4) as i64));
            let news = DeliveryNews { provider_id: name.map(str::to_owned), at, ..news(EVERY[draw(5)], "") };
            let newer = merge(model.as_ref(), &news, since);
            let changed = backend.deliveries().tell(&id, &news, since).await.expect("the delivery records answer");
            assert_eq!(changed, newer.is_some(), "{news:?} since {since} after {model:?}");
            model = newer.or(model);
            assert_eq!(known(backend, &id).await, model);
        }
    }
}

pub(super) async fn the_same_news_told_twice_are_the_same_as_once(backend: &dyn Backend) {
    let id = id_of(backend);
    let first = news(Delivered, "SM1");
    assert!(tell(backend, &id, &first).await);
    assert!(!tell(backend, &id, &first).await);
    let again = DeliveryNews { at: moment(99), ..first.clone() };
    assert!(!tell(backend, &id, &again).await, "what is known already is no news, whenever it is told");
    assert_eq!(known(backend, &id).await, Some(first));
}

pub(super) async fn that_it_arrived_is_stronger_than_that_it_was_given_up(backend: &dyn Backend) {
    for order in [[Undelivered, Delivered], [Delivered, Undelivered]] {
        let id = id_of(backend);
        for status in order {
            tell(backend, &id, &news(status, "SM1")).await;
        }
        assert_eq!(known(backend, &id).await.map(|record| record.status), Some(Delivered));
    }
}

pub(super) async fn of_news_told_at_once_the_furthest_is_kept(backend: &dyn Backend) {
    for _ in 0..5 {
        let id = id_of(backend);
        let tellers = (0..24).map(|n| {
            let (deliveries, id) = (backend.deliveries(), id.clone());
            let news = news(EVERY[n % EVERY.len()], &n.to_string());
            tokio::spawn(async move { deliveries.tell(&id, &news, BEGUN).await.map(|changed| (news, changed)) })
        });
        let told = join_all(tellers).await.into_iter().map(|task| task.expect("no panic").expect("an answer"));
        let furthest: Vec<_> = told.filter(|(news, changed)| *changed && news.status == Complained).collect();
        assert_eq!(furthest.len(), 1, "of equal news exactly one is new: {furthest:?}");
        assert_eq!(known(backend, &id).await, Some(furthest[0].0.clone()));
    }
}

pub(super) async fn messages_do_not_share_their_news(backend: &dyn Backend) {
    let (one, other) = (event_id(backend), event_id(backend));
    let keys = [("sms", one, "ada"), ("sms", one, "ada/phone"), ("sms", one, "Ada"), ("whatsapp", one, "ada")];
    let ids = keys.into_iter().chain([("sms", other, "ada"), ("sms", one, "ädä \"%_")]);
    let ids: Vec<_> =
        ids.map(|(consumer, event, step)| DeliveryId::new(IdempotencyKey::new(consumer, event), step)).collect();
    for (n, id) in ids.iter().enumerate() {
        assert!(tell(backend, id, &news(Sent, &n.to_string())).await, "{id}");
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(known(backend, id).await, Some(news(Sent, &n.to_string())), "{id}");
    }
}
