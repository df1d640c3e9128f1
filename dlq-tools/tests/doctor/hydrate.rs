//! Fetching what pointers point to: from the emulator's stream and bucket, and from a data folder.

use std::collections::BTreeMap;

use aws_sdk_dynamodbstreams::types::ShardIteratorType;
use sendoff_aws::Store;
use sendoff_consumers::{Change, Class, Failure, Position};
use sendoff_embedded::StoreOptions;
use sendoff_events::{Clock, at_millis};
use sendoff_host::{Exit, SystemClock};
use sendoff_producers::{Expected, RecordKey, Records, UnitOfWork, Write};
use sendoff_tests::{conformance::OnAws, servers::Emulator};
use serde_json::{Value, json};

use super::call::{call, variables};
use crate::calls::Ran;

/// Writes a record of an app.
async fn write(records: &dyn Records, id: &str, data: Option<Value>) {
    let tenant: sendoff_events::TenantId = "acme".parse().unwrap();
    let key = RecordKey::new(&tenant, "apps", id.to_owned());
    let work = UnitOfWork::new(tenant, "ada", at_millis(SystemClock.now()))
        .write(Write { key, expected: Expected::Any, data })
        .without_events();
    records.commit(work).await.expect("committed");
}

/// The shards of the stream with the numbers of their records.
async fn numbers(store: &Store) -> Vec<(String, Vec<String>)> {
    let (streams, arn) = (store.aws().streams(), store.resources().stream_arn.clone().unwrap());
    let shards = streams.describe_stream().stream_arn(&arn).send().await.unwrap();
    let mut found = Vec::new();
    for shard in shards.stream_description.unwrap().shards.unwrap() {
        let shard = shard.shard_id.unwrap();
        let iterator = streams.get_shard_iterator().stream_arn(&arn).shard_id(&shard);
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let page = streams.get_records().shard_iterator(iterator.shard_iterator.unwrap()).send().await.unwrap();
        let records = page.records.unwrap_or_default().into_iter();
        found.push((shard, records.map(|record| record.dynamodb.unwrap().sequence_number.unwrap()).collect()));
    }
    found
}

fn pointer(stream: &str, shard: &str, first: &str, last: &str, size: usize) -> Value {
    json!({
        "version": "1.0", "timestamp": "2026-11-26T03:00:00.000Z",
        "requestContext": { "requestId": "r", "functionArn": "arn:f", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3 },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "DDBStreamBatchInfo": {
            "shardId": shard, "startSequenceNumber": first, "endSequenceNumber": last, "batchSize": size, "streamArn": stream,
            "approximateArrivalOfFirstRecord": "2026-11-26T02:00:00Z", "approximateArrivalOfLastRecord": "2026-11-26T02:00:00Z",
        },
    })
}

struct Bench {
    aws: OnAws,
    home: tempfile::TempDir,
}

impl Bench {
    async fn open() -> Self {
        Self { aws: OnAws::open().await, home: tempfile::tempdir().unwrap() }
    }

    async fn call(&self, person: bool, arguments: &[&str]) -> Ran {
        let variables = variables(Emulator::shared().variables(), self.aws.store().resources(), self.home.path());
        call(self.home.path(), &variables, person, &[&["hydrate"], arguments].concat()).await
    }

    async fn put(&self, body: &Value) {
        let url = self.aws.store().resources().queue_url("timeline-dlq");
        self.aws.store().aws().sqs().send_message().queue_url(url).message_body(body.to_string()).send().await.unwrap();
    }

    fn stream(&self) -> String {
        self.aws.store().resources().stream_arn.clone().unwrap()
    }
}

fn standings(told: &Value) -> Vec<(String, Value)> {
    let mut found: Vec<_> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["standing"].as_str().unwrap().to_owned(), change["version"].clone()))
        .collect();
    found.sort_by_key(|(_, version)| version.as_u64());
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pointer_leads_to_its_changes_and_each_says_whether_it_is_superseded() {
    let bench = Bench::open().await;
    let records = bench.aws.store().records();
    for n in 1..=3 {
        write(&*records, "crm", Some(json!({ "name": "CRM", "n": n }))).await;
    }
    let shards = numbers(bench.aws.store()).await;
    for (shard, numbers) in shards.iter().filter(|(_, numbers)| !numbers.is_empty()) {
        bench.put(&pointer(&bench.stream(), shard, &numbers[0], numbers.last().unwrap(), numbers.len())).await;
    }
    bench.put(&json!("something else")).await;
    let called = bench.call(false, &["timeline-dlq", "--output", "json"]).await;
    assert_eq!(called.exit, Exit::Done, "{called:?}");
    let told = called.json();
    let expected = [("superseded", 1), ("superseded", 2), ("current", 3)];
    assert_eq!(standings(&told), expected.map(|(word, version)| (word.to_owned(), json!(version))), "{called:?}");
    assert_eq!(told["changes"][0]["expires_at"], "2026-11-27T02:00:00Z");
    assert_eq!(told["changes"][0]["keys"], json!({ "pk": "r#acme#apps", "sk": "/crm" }));
    assert!(called.out.contains("CRM") && called.err.contains("1 letters are neither"), "{called:?}");

    let called = bench.call(true, &["timeline-dlq", "--output", "json"]).await;
    assert!(!called.out.contains("CRM") && called.err.contains("--images"), "a person has to ask: {called:?}");
    let called = bench.call(true, &["timeline-dlq", "--into", "changes.jsonl"]).await;
    assert!(called.exit == Exit::Done && called.out.contains("superseded"), "{called:?}");
    let file = bench.home.path().join("changes.jsonl");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(bench.call(true, &["timeline-dlq", "--into", "changes.jsonl"]).await.exit, Exit::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_stream_has_forgotten_is_told_as_lost() {
    let bench = Bench::open().await;
    bench.put(&pointer(&bench.stream(), "shardId-00000000000000000000-gone", "1", "2", 2)).await;
    let called = bench.call(false, &["timeline-dlq", "--output", "json"]).await;
    let told = called.json();
    assert_eq!((called.exit, &told["changes"]), (Exit::Failed, &json!([])), "{called:?}");
    assert_eq!(told["lost"][0]["pointer"]["shard"], "shardId-00000000000000000000-gone");
    assert_eq!(told["lost"][0]["for_good"], true, "{called:?}");
    // Whoever reads lines hears as well what couldn't be read.
    let bucket = ["timeline-dlq", "--bucket", "there-is-no-such-bucket", "--output", "ndjson"];
    let called = bench.call(false, &bucket).await;
    let lines: Vec<Value> = called.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["lost"]["for_good"] == true), "{called:?}");
    let trouble = lines.iter().find_map(|line| line["trouble"].as_str());
    assert!(trouble.is_some_and(|trouble| trouble.contains("there-is-no-such-bucket")), "{called:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_here_has_forgotten_nothing() {
    let bench = Bench::open().await;
    let elsewhere = bench.stream().replace("000000000000", "111111111111");
    let mut young = pointer(&elsewhere, "shardId-00000000000000000000-other", "1", "2", 2);
    let at = SystemClock.now().to_string();
    young["DDBStreamBatchInfo"]["approximateArrivalOfFirstRecord"] = json!(at);
    bench.put(&young).await;
    let called = bench.call(false, &["timeline-dlq", "--output", "json"]).await;
    let lost = &called.json()["lost"][0];
    assert_eq!(lost["for_good"], false, "{called:?}");
    assert!(lost["why"].as_str().unwrap().contains("account and region"), "{called:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_holds_the_records_is_asked_first() {
    let bench = Bench::open().await;
    let store = bench.aws.store();
    write(&*store.records(), "crm", Some(json!({ "name": "CRM" }))).await;
    let s3 = store.aws().s3();
    let bucket = format!("{}-failures", store.resources().bucket);
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    let image = |id: &str, version: &str| json!({ "pk": { "S": "r#acme#apps" }, "sk": { "S": format!("/{id}") }, "version": { "N": version } });
    let record = |sequence: &str, id: &str| {
        json!({ "eventName": "MODIFY", "dynamodb": {
            "SequenceNumber": sequence, "Keys": { "pk": { "S": "r#acme#apps" }, "sk": { "S": format!("/{id}") } },
            "NewImage": image(id, "7"), "StreamViewType": "NEW_AND_OLD_IMAGES",
        }})
    };
    let mut batch = pointer(&bench.stream(), "shardId-1", "100", "300", 3);
    batch["payload"] = json!({ "Records": [record("100", "crm"), record("200", "gone"), record("300", "gone")] });
    let key = "aws/lambda/1b2c/shardId-1/2026/11/26/2026-11-26T03.00.00-aaaa";
    for (key, body) in [(key, batch.to_string()), ("aws/lambda/other", "nothing of ours".to_owned())] {
        s3.put_object().bucket(&bucket).key(key).body(body.into_bytes().into()).send().await.unwrap();
    }
    bench.put(&pointer(&bench.stream(), "shardId-1", "100", "200", 2)).await;
    let called = bench.call(false, &["timeline-dlq", "--bucket", &bucket, "--output", "json"]).await;
    assert_eq!(called.exit, Exit::Done, "{called:?}");
    let told = called.json();
    let found: Vec<_> =
        told["changes"].as_array().unwrap().iter().map(|c| [&c["place"], &c["standing"], &c["from"]]).collect();
    assert_eq!(found, [["100", "superseded", "s3"], ["200", "deleted", "s3"]]);
    assert_eq!(told["changes"][0]["object"], key);

    let all = bench.call(false, &["--bucket", &bucket, "--output", "json"]).await;
    assert_eq!(all.json()["changes"].as_array().unwrap().len(), 3, "{all:?}");
    assert_eq!(all.exit, Exit::Partly, "an object there is no batch: {all:?}");
}

#[tokio::test]
async fn in_a_data_folder_the_letters_hold_the_changes_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let store = sendoff_embedded::Store::open(folder.path(), StoreOptions::default()).unwrap();
    let records = store.records();
    write(&*records, "crm", Some(json!({ "name": "CRM" }))).await;
    write(&*records, "crm", Some(json!({ "name": "CRM 2" }))).await;
    write(&*records, "hr", Some(json!({ "name": "HR" }))).await;
    write(&*records, "hr", None).await;
    let at = at_millis(SystemClock.now());
    let failure = Failure {
        reason: "broken".into(),
        class: Class::Rejected,
        fingerprint: "broken-1".into(),
        consumer: "timeline".into(),
        attempts: 1,
        first_at: at,
        last_at: at,
        error: "no".into(),
    };
    for (place, id, version) in [(1, "crm", 1), (2, "crm", 2), (3, "hr", 1)] {
        let change = Change {
            position: Position(format!("{place:020}")),
            key: RecordKey::new(&"acme".parse().unwrap(), "apps", id),
            version,
            actor: "ada".into(),
            at,
            old: None,
            new: Some(json!({ "name": "CRM" })),
        };
        store.changes().park("timeline", &change, &failure).await.unwrap();
    }
    let backend = format!("sqlite:{}", folder.path().display());
    let hydrate = async |arguments: &[&str]| {
        let arguments = [&["--backend", &*backend, "hydrate"], arguments].concat();
        call(folder.path(), &BTreeMap::new(), false, &arguments).await
    };
    let called = hydrate(&["timeline", "--output", "json"]).await;
    assert_eq!(called.exit, Exit::Done, "{called:?}");
    let told = called.json();
    let found: Vec<_> =
        told["changes"].as_array().unwrap().iter().map(|c| (c["keys"]["id"].clone(), c["standing"].clone())).collect();
    let expected = [("crm", "superseded"), ("crm", "current"), ("hr", "deleted")];
    assert_eq!(found, expected.map(|(id, word)| (json!(id), json!(word))));
    assert_eq!(hydrate(&["--bucket", "failures"]).await.exit, Exit::Usage);
    store.shutdown().await;
}
