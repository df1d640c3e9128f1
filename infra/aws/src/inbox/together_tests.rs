use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use futures::future::join_all;
use sendoff_consumers::{Claim, Claimed, IdempotencyKey, Inbox, InboxError, InboxRecord, Status};
use sendoff_events::{EventId, Timestamp};
use sendoff_host::{SystemClock, SystemRng};
use serde_json::{Value, json};

use crate::{Aws, Environment, Resources, Store};

type Answer = (u16, Value);
/// What is answered first.
type First = fn(&Value) -> Answer;
type Answers = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// DynamoDB: what is asked is written down and answered by a function.
#[derive(Clone)]
struct Peer {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    answer: Arc<Answers>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl Peer {
    fn start(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> (Self, Arc<dyn Inbox>) {
        let peer = Self { asked: Arc::default(), answer: Arc::new(answer) };
        let connector = peer.clone();
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let resources = Resources {
            table: "records".into(),
            inbox_table: "inbox".into(),
            stream_arn: None,
            topic_arn: "topic".into(),
            queue_url_base: "https://sqs/".into(),
            bucket: "bucket".into(),
            runs_role_arn: "role".into(),
            runs_prefix: "run".into(),
            functions: Resources::no_functions(),
            schedule_group: "schedules".into(),
            schedule_role_arn: "role".into(),
            topic_limit: Resources::TOPIC_LIMIT,
        };
        let aws = Aws::with_http(environment, http).unwrap();
        let store = Store::new(aws, resources, Arc::new(SystemClock), Arc::new(SystemRng::new()));
        (peer, store.inbox())
    }

    /// The calls since this was last asked, by their names.
    fn calls(&self) -> Vec<String> {
        self.asked.lock().unwrap().drain(..).map(|(name, _)| name).collect()
    }
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, answer) = (self.answer)(&call, &body);
        self.asked.lock().unwrap().push((call, body));
        let answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(answer.to_string()));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

fn statements(body: &Value) -> &Vec<Value> {
    body["Statements"].as_array().unwrap()
}

/// The same for every statement of a batch.
fn each(body: &Value, answer: &Value) -> Answer {
    (200, json!({ "Responses": vec![answer; statements(body).len()] }))
}

fn stores(call: &str, body: &Value) -> Answer {
    if call == "BatchExecuteStatement" { each(body, &json!({ "TableName": "inbox" })) } else { (200, json!({})) }
}

fn claim(n: u8) -> Claim {
    let now = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
    let key = IdempotencyKey::new("email", EventId::from_bytes([n; 16]));
    Claim { key, fence: u64::from(n), payload_hash: [1; 32], replay: 0, now, lease_until: now, reconcile: false }
}

async fn claim_all(inbox: &dyn Inbox, numbers: impl Iterator<Item = u8>) -> Vec<Result<Claimed, InboxError>> {
    let claims: Vec<_> = numbers.map(claim).collect();
    join_all(claims.iter().map(|claim| inbox.claim(claim))).await
}

fn won(claimed: Vec<Result<Claimed, InboxError>>) -> Vec<InboxRecord> {
    let record = |claimed| match claimed {
        Ok(Claimed::Won(record)) => record,
        other => panic!("it isn't won: {other:?}"),
    };
    claimed.into_iter().map(record).collect()
}

async fn settle_all(inbox: &dyn Inbox, records: Vec<InboxRecord>) -> Vec<Result<(), InboxError>> {
    let done = |record: InboxRecord| InboxRecord { status: Status::Done, revision: record.revision + 1, ..record };
    let records: Vec<_> = records.into_iter().map(done).collect();
    join_all(records.iter().map(|record| inbox.write(record))).await
}

#[tokio::test]
async fn what_is_claimed_or_settled_at_the_same_moment_is_one_call_and_names_no_value() {
    let (peer, inbox) = Peer::start(stores);
    let records = won(claim_all(&*inbox, 0..10).await);
    assert_eq!(settle_all(&*inbox, records).await, vec![Ok(()); 10]);
    let asked = std::mem::take(&mut *peer.asked.lock().unwrap());
    let calls: Vec<_> = asked.iter().map(|(call, body)| (&**call, statements(body).len())).collect();
    assert_eq!(calls, [("BatchExecuteStatement", 10), ("BatchExecuteStatement", 10)]);
    for (n, statement) in statements(&asked[0].1).iter().enumerate() {
        assert_eq!(
            statement["Statement"],
            "INSERT INTO \"inbox\" VALUE {'attempts':?,'fence':?,'first_at':?,'id':?,'in_progress_expiration':?,\
             'lease_until':?,'replay':?,'revision':?,'state':?,'status':?,'updated_at':?,'validation':?}"
        );
        assert_eq!(statement["Parameters"][1], json!({ "N": n.to_string() }));
    }
    let last = &statements(&asked[1].1)[9];
    assert_eq!(
        last["Statement"],
        "UPDATE \"inbox\" REMOVE \"steps\" REMOVE \"history\" REMOVE \"expires_at\" REMOVE \"expiration\" \
         REMOVE \"in_progress_expiration\" REMOVE \"doubt\" REMOVE \"doubt_since\" SET \"attempts\"=? SET \"data\"=? \
         SET \"lease_until\"=? SET \"replay\"=? SET \"revision\"=? SET \"state\"=? SET \"status\"=? \
         SET \"updated_at\"=? WHERE \"id\"=? AND \"fence\"=? AND \"revision\"<?"
    );
    let told = last["Parameters"].as_array().unwrap();
    assert_eq!(told.len(), 11);
    assert_eq!(told[8]["S"], claim(9).key.as_str());
    assert_eq!((&told[9], &told[10]), (&json!({ "N": "9" }), &told[4]));
    assert_eq!(last["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
}

#[tokio::test]
async fn a_write_of_its_own_moment_is_a_call_of_its_own() {
    let (peer, inbox) = Peer::start(stores);
    for n in 0..3 {
        let records = won(claim_all(&*inbox, n..n + 1).await);
        assert_eq!(settle_all(&*inbox, records).await, [Ok(())]);
    }
    assert_eq!(peer.calls(), ["PutItem"; 6]);
}

#[tokio::test]
async fn a_batch_has_no_more_statements_than_dynamodb_takes_and_a_record_once() {
    let (peer, inbox) = Peer::start(stores);
    won(claim_all(&*inbox, 0..60).await);
    let sizes = |peer: &Peer| -> Vec<usize> {
        let asked = std::mem::take(&mut *peer.asked.lock().unwrap());
        let mut sizes: Vec<_> = asked.iter().map(|(_, body)| statements(body).len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&peer), [10, 25, 25]);
    won(claim_all(&*inbox, [1, 2, 1, 2].into_iter()).await);
    assert_eq!(sizes(&peer), [2, 2]);
}

/// Answers every statement with this code, and every other call well.
fn refuses(code: &'static str) -> impl Fn(&str, &Value) -> Answer + Send + Sync {
    move |call, body| match call {
        "BatchExecuteStatement" => each(body, &json!({ "Error": { "Code": code, "Message": "no" } })),
        _ => (200, json!({})),
    }
}

#[tokio::test]
async fn what_is_not_plainly_stored_or_refused_goes_by_a_call_of_its_own() {
    let codes = ["ThrottlingError", "InternalServerError", "TransactionConflict", "SomethingNew"];
    for code in codes {
        let (peer, inbox) = Peer::start(refuses(code));
        for _ in 0..2 {
            let records = won(claim_all(&*inbox, 0..2).await);
            assert_eq!(peer.calls(), ["BatchExecuteStatement", "PutItem", "PutItem"], "{code}");
            assert_eq!(settle_all(&*inbox, records).await, [Ok(()), Ok(())]);
            assert_eq!(peer.calls(), ["BatchExecuteStatement", "PutItem", "PutItem"], "{code}");
        }
    }
    let (peer, inbox) = Peer::start(|call, _| match call {
        "BatchExecuteStatement" => (200, json!({ "Responses": [{}] })),
        _ => (200, json!({})),
    });
    won(claim_all(&*inbox, 0..3).await);
    assert_eq!(peer.calls(), ["BatchExecuteStatement", "PutItem", "PutItem"], "of two it said nothing");
}

#[tokio::test]
async fn a_claim_of_what_is_there_is_decided_by_what_is_there() {
    let (peer, inbox) = Peer::start(|call, body| match call {
        "BatchExecuteStatement" => each(body, &json!({ "Error": { "Code": "DuplicateItem", "Message": "there" } })),
        "GetItem" if body["Key"]["id"]["S"] == claim(1).key.as_str() => (
            200,
            json!({ "Item": {
                "id": body["Key"]["id"], "status": { "S": "COMPLETED" }, "expiration": { "N": "4102444800" },
                "validation": { "S": "01".repeat(32) }, "fence": { "N": "9" }, "revision": { "N": "2" },
                "state": { "S": "done" }, "lease_until": { "N": "0" }, "attempts": { "N": "1" },
                "replay": { "N": "0" }, "first_at": { "N": "0" }, "updated_at": { "N": "0" },
                "expires_at": { "N": "4102444800000" },
            } }),
        ),
        // The other one has expired meanwhile.
        _ => (200, json!({})),
    });
    let claimed = claim_all(&*inbox, 1..3).await;
    assert!(
        matches!(&claimed[..], [Ok(Claimed::Settled(record)), Ok(Claimed::Won(_))] if record.status == Status::Done),
        "{claimed:?}"
    );
    let mut calls = peer.calls();
    calls.sort();
    assert_eq!(calls, ["BatchExecuteStatement", "GetItem", "GetItem", "PutItem"]);
}

#[tokio::test]
async fn where_this_may_not_be_done_it_is_tried_once() {
    let denied = |call: &str, _: &Value| match call {
        "BatchExecuteStatement" => (400, json!({ "__type": "AccessDeniedException", "message": "no" })),
        _ => (200, json!({})),
    };
    let unknown = |call: &str, _: &Value| match call {
        "BatchExecuteStatement" => (400, json!({ "__type": "UnknownOperationException" })),
        _ => (200, json!({})),
    };
    let told = [Peer::start(refuses("AccessDenied")), Peer::start(refuses("ValidationError"))];
    for (peer, inbox) in [Peer::start(denied), Peer::start(unknown)].into_iter().chain(told) {
        won(claim_all(&*inbox, 0..2).await);
        assert_eq!(peer.calls(), ["BatchExecuteStatement", "PutItem", "PutItem"]);
        won(claim_all(&*inbox, 0..2).await);
        assert_eq!(peer.calls(), ["PutItem", "PutItem"]);
    }
}

#[tokio::test]
async fn what_passes_and_what_is_wrong_with_one_record_is_no_reason_to_write_one_by_one_from_then_on() {
    let expired = |_: &Value| (400, json!({ "__type": "ExpiredTokenException", "message": "expired" }));
    let one_is_wrong = |body: &Value| {
        let (status, mut answer) = each(body, &json!({ "TableName": "inbox" }));
        answer["Responses"][0] = json!({ "Error": { "Code": "ValidationError", "Message": "too large" } });
        (status, answer)
    };
    let first: [(First, &[&str]); 2] = [
        (expired, &["BatchExecuteStatement", "PutItem", "PutItem"]),
        (one_is_wrong, &["BatchExecuteStatement", "PutItem"]),
    ];
    for (first, calls) in first {
        let is_first = AtomicBool::new(true);
        let (peer, inbox) = Peer::start(move |call, body| match is_first.swap(false, Ordering::Relaxed) {
            true => first(body),
            false => stores(call, body),
        });
        won(claim_all(&*inbox, 0..2).await);
        assert_eq!(peer.calls(), calls);
        won(claim_all(&*inbox, 0..2).await);
        assert_eq!(peer.calls(), ["BatchExecuteStatement"]);
    }
}

#[tokio::test]
async fn an_outage_is_told_to_everybody_who_waits_and_to_nobody_later() {
    let down = Arc::new(Mutex::new(true));
    let is_down = Arc::clone(&down);
    let (peer, inbox) = Peer::start(move |call, body| match *is_down.lock().unwrap() {
        true => (500, json!({ "__type": "InternalServerError", "message": "down" })),
        false => stores(call, body),
    });
    for claimed in claim_all(&*inbox, 0..3).await {
        let Err(InboxError::Unavailable(why)) = claimed else { panic!("{claimed:?}") };
        assert!(why.contains("dynamodb:BatchExecuteStatement") && why.contains("inbox"), "{why}");
    }
    assert!(peer.calls().iter().all(|call| call == "BatchExecuteStatement"), "no storm of single calls");
    *down.lock().unwrap() = false;
    won(claim_all(&*inbox, 0..3).await);
    assert_eq!(peer.calls(), ["BatchExecuteStatement"]);
}

#[tokio::test]
async fn who_stops_waiting_holds_up_nobody() {
    let (peer, inbox) = Peer::start(stores);
    let claims: Vec<_> = (0..3).map(claim).collect();
    let mut waiting: Vec<_> = claims.iter().map(|claim| inbox.claim(claim)).collect();
    for claim in &mut waiting {
        assert!(futures::poll!(claim).is_pending());
    }
    // The one that opened the batch.
    drop(waiting.remove(0));
    won(join_all(waiting).await);
    assert_eq!(peer.calls(), ["BatchExecuteStatement"]);
    let mut alone = inbox.claim(&claims[0]);
    assert!(futures::poll!(&mut alone).is_pending());
    drop(alone);
    won(claim_all(&*inbox, 4..5).await);
    assert_eq!(peer.calls(), ["PutItem"], "what nobody waits for is sent with nobody");
}
