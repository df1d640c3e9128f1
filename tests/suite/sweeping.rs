//! Events of the outbox's table that can't be read: the sweep tells of them, and goes on to those that are younger.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use sendoff_aws::{
    Store,
    tables::records::{COMMITTED_AT, PENDING, PK, SK},
};
use sendoff_events::{AppAssigned, Clock as _, Envelope, EventId, Origin, at_millis};
use sendoff_host::SystemClock;
use sendoff_producers::{UnitOfWork, relay::sweep};
use sendoff_tests::conformance::{Backend as _, OnAws};

/// More than one look at a partition of the index holds, for a sweep that asks for a hundred.
const DAMAGED: usize = 230;
const A_MINUTE: Duration = Duration::from_secs(61);

/// An id whose event waits in the first partition of the index.
fn id(number: usize) -> EventId {
    let mut bytes = [0; 16];
    bytes[12..14].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
    EventId::from_bytes(bytes)
}

/// An item that waits, with nothing in it to publish.
fn damaged(pk: String, millis: i64) -> WriteRequest {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = PutRequest::builder().item(PK, AttributeValue::S(pk)).item(SK, text("event")).item(PENDING, text("0"));
    let put = put.item(COMMITTED_AT, AttributeValue::N(millis.to_string())).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

async fn damage(store: &Store) {
    let now = at_millis(SystemClock.now()).as_millisecond();
    let whole = (0..DAMAGED - 1).map(|number| format!("e#{}", id(number)));
    let items: Vec<_> = whole.chain(["e#nothing".to_owned()]).map(|pk| damaged(pk, now - 600_000)).collect();
    for some in items.chunks(25) {
        let put = store.aws().dynamodb().batch_write_item().request_items(&store.resources().table, some.to_vec());
        assert!(put.send().await.unwrap().unprocessed_items.is_none_or(|left| left.is_empty()));
    }
}

#[tokio::test]
async fn events_that_cannot_be_read_are_told_of_and_hold_up_nothing_that_is_younger() {
    let backend = OnAws::open().await;
    damage(backend.store()).await;
    let (tenant, app_id) = ("acme".parse().unwrap(), "expenses".parse().unwrap());
    let data = AppAssigned { app_id, user_id: "ada".parse().unwrap(), assigned_by: "root".parse().unwrap() };
    let origin =
        Origin { source: "/suite".into(), tenant, correlation: None, causation: None, traceparent: None, hops: 0 };
    let mut envelope = Envelope::new(data, origin, None, &*backend.clock(), &*backend.rng());
    envelope.header.id = id(DAMAGED);
    let (event, at) = (envelope.encode().unwrap(), at_millis(backend.clock().now()));
    let work = UnitOfWork::new(event.tenant().clone(), "ada", at).tell(event);
    backend.records().commit(work).await.expect("committed");
    backend.advance(A_MINUTE).await;

    let run = sweep(&*backend.outbox(), &*backend.publisher(), &*backend.clock(), 100).await.expect("it is read");
    assert_eq!((run.published, run.left.len(), run.stuck.len()), (1, 0, DAMAGED));
    let told = |event: &str| run.stuck.iter().any(|stuck| stuck.event == event && !stuck.why.is_empty());
    assert!(told(&id(0).to_string()) && told("e#nothing"), "{:?}", run.stuck.last());
}
