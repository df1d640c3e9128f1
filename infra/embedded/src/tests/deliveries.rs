//! What providers told, on the disk.

use sendoff_consumers::{DeliveryId, DeliveryNews, DeliveryStatus, IdempotencyKey};
use sendoff_events::Clock as _;

use super::Bench;

#[tokio::test]
async fn what_was_told_survives_that_the_folder_is_opened_again() {
    let bench = Bench::new();
    let id = DeliveryId::new(IdempotencyKey::new("sms", bench.event("crm", None).id()), "ada/phone");
    let news = DeliveryNews {
        status: DeliveryStatus::Undelivered,
        provider: "twilio".into(),
        provider_id: Some("SM1".into()),
        reason: Some("30003: unreachable handset".into()),
        at: bench.clock.now(),
    };
    assert_eq!(bench.store.deliveries().tell(&id, &news, news.at).await, Ok(true));
    let bench = bench.reopen();
    assert_eq!(bench.store.deliveries().get(&id).await, Ok(Some(news)));
}

#[tokio::test]
async fn a_word_that_is_no_status_is_told_as_damage() {
    let bench = Bench::new();
    let id = DeliveryId::new(IdempotencyKey::new("sms", bench.event("crm", None).id()), "ada");
    bench
        .connection()
        .execute(
            "INSERT INTO deliveries VALUES (?1, 'sms', 'ada', 'teleported', 'twilio', NULL, NULL, 0, 0)",
            [id.event().unwrap().as_bytes()],
        )
        .unwrap();
    let error = bench.store.deliveries().get(&id).await.unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("teleported"), "{error}");
}

#[tokio::test]
async fn the_audit_can_only_be_added_to() {
    let bench = Bench::new();
    let db = bench.connection();
    db.execute_batch("INSERT INTO audit (at, who, action, target, because) VALUES (1, 'ada', 'x', 'y', 'z')").unwrap();
    for change in ["UPDATE audit SET who = 'eve'", "DELETE FROM audit"] {
        let error = db.execute_batch(change).unwrap_err().to_string();
        assert!(error.contains("only be added to"), "{error}");
    }
}
