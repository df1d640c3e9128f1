//! As much of DynamoDB, its streams and SQS as reading needs, and a clock that stands until it is moved.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use sendoff_events::{BoxFuture, Clock, Timestamp};
use sendoff_host::SystemRng;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{Aws, Environment, Resources, Store, changes::later};

/// Moved by hand.
#[derive(Clone, Default)]
pub(super) struct HandClock(watch::Sender<Timestamp>);

impl HandClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = later(*now, by));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (clock, until) = (self.0.clone(), later(self.now(), duration));
        Box::pin(async move {
            // The sender lives as long as this does.
            let _ = clock.subscribe().wait_for(|now| *now >= until).await;
        })
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Peer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The checkpoints by their ids.
    items: BTreeMap<String, Map<String, Value>>,
    /// The records of each shard.
    shards: BTreeMap<String, Vec<Value>>,
    /// What was put aside.
    letters: Vec<Value>,
    /// The calls, or the shards, that are refused.
    refused: Vec<String>,
}

type Answer = (u16, Value);

impl Peer {
    /// A process of its own.
    pub(super) fn store(&self, clock: &HandClock) -> Store {
        let connector = self.clone();
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let resources = Resources {
            table: "records".into(),
            inbox_table: "inbox".into(),
            stream_arn: Some("stream".into()),
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
        Store::new(aws, resources, Arc::new(clock.clone()), Arc::new(SystemRng::new()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Appends a record to a shard.
    pub(super) fn write(&self, shard: &str, record: Value) {
        self.state().shards.entry(shard.into()).or_default().push(record);
    }

    /// Refuses this call, or the reading of this shard.
    pub(super) fn refuse(&self, what: &str) {
        self.state().refused.push(what.into());
    }

    pub(super) fn refuse_nothing(&self) {
        self.state().refused.clear();
    }

    /// What was put aside.
    pub(super) fn letters(&self) -> Vec<Value> {
        self.state().letters.clone()
    }

    /// A number in the reaction's checkpoint.
    pub(super) fn number(&self, reaction: &str, name: &str) -> Option<i64> {
        let state = self.state();
        state.items.get(&format!("checkpoint/{reaction}"))?.get(name)?["N"].as_str()?.parse().ok()
    }
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let peer = self.clone();
        HttpConnectorFuture::new(async move {
            // Lets others go first.
            tokio::task::yield_now().await;
            let (status, answer) = peer.state().answer(&call, &body);
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(answer.to_string())))
        })
    }
}

impl State {
    fn answer(&mut self, call: &str, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if self.refused.contains(&call.to_owned()) || self.refused.contains(&text("ShardId")) {
            return (400, json!({ "__type": "ResourceNotFoundException", "message": "refused" }));
        }
        match call {
            "GetItem" => {
                let found = body["Key"]["id"]["S"].as_str().and_then(|id| self.items.get(id));
                (200, found.map_or(json!({}), |item| json!({ "Item": item })))
            }
            "UpdateItem" => self.update(body),
            "DescribeStream" => {
                let shards: Vec<_> = self.shards.keys().map(|id| json!({ "ShardId": id })).collect();
                (200, json!({ "StreamDescription": { "Shards": shards } }))
            }
            "GetShardIterator" => {
                let records = &self.shards[&text("ShardId")];
                let is_after = |record: &Value| record["dynamodb"]["SequenceNumber"] == body["SequenceNumber"];
                let place = records.iter().position(is_after).map_or(0, |place| place + 1);
                (200, json!({ "ShardIterator": format!("{}@{place}", text("ShardId")) }))
            }
            "GetRecords" => {
                let iterator = text("ShardIterator");
                let (shard, place) = iterator.split_once('@').unwrap();
                let records = &self.shards[shard];
                let new = &records[place.parse::<usize>().unwrap()..];
                (200, json!({ "Records": new, "NextShardIterator": format!("{shard}@{}", records.len()) }))
            }
            "SendMessage" => {
                self.letters.push(body.clone());
                (200, json!({ "MessageId": self.letters.len().to_string() }))
            }
            _ => (400, json!({ "__type": "ValidationException", "message": call })),
        }
    }

    /// An update that sets attributes, on conditions that are equalities.
    fn update(&mut self, body: &Value) -> Answer {
        let item = self.items.entry(body["Key"]["id"]["S"].as_str().unwrap().to_owned()).or_default();
        let name = |placeholder: &str| body["ExpressionAttributeNames"][placeholder].as_str().unwrap().to_owned();
        let equal = |text: &str| {
            let (place, value) = text.split_once(" = ").unwrap();
            (name(place), body["ExpressionAttributeValues"][value].clone())
        };
        let holds = body["ConditionExpression"].as_str().unwrap().split(" AND ").all(|condition| {
            match condition.strip_prefix("attribute_not_exists(") {
                Some(absent) => !item.contains_key(&name(absent.trim_end_matches(')'))),
                None => {
                    let (name, value) = equal(condition);
                    item.get(&name) == Some(&value)
                }
            }
        });
        if !holds {
            return (400, json!({ "__type": "ConditionalCheckFailedException", "message": "no" }));
        }
        let set = body["UpdateExpression"].as_str().unwrap().strip_prefix("SET ").unwrap();
        item.extend(set.split(", ").map(equal));
        (200, json!({}))
    }
}
