//! As much of Step Functions and DynamoDB as publishing and starting needs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use sendoff_events::{Personal, TenantId, Timestamp};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::model::{Approval, approval_key};
use sendoff_workflows::asl::Functions;
use serde_json::{Value, json};

use crate::{Aws, Environment, Resources, Store};

pub(super) type Answer = (u16, Value);

#[derive(Debug, Clone, Default)]
pub(super) struct Peer(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<String, Value>,
    /// How many versions each machine has had, and those that are there.
    machines: BTreeMap<String, u32>,
    versions: Vec<String>,
    /// How many versions a machine may have; as many as one wants without.
    most: Option<usize>,
    executions: BTreeMap<String, Value>,
    asked: Vec<(String, Value)>,
    /// What is answered next instead.
    said: Vec<(String, Answer)>,
}

pub(super) fn refusal(kind: &str, message: &str) -> Answer {
    (400, json!({ "__type": kind, "message": message }))
}

impl Peer {
    pub(super) fn store(&self) -> Store {
        let connector = self.clone();
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let name = str::to_owned;
        let resources = Resources {
            table: name("records"),
            inbox_table: name("inbox"),
            stream_arn: None,
            topic_arn: name("topic"),
            queue_url_base: name("https://sqs/"),
            bucket: name("bucket"),
            runs_role_arn: name("arn:aws:iam::123456789012:role/runs"),
            runs_prefix: name("sendoff-run"),
            functions: Functions::at(BTreeMap::new(), name("arn:aws:lambda:eu-central-1:123456789012:function:steps")),
            schedule_group: name("schedules"),
            schedule_role_arn: name("role"),
            topic_limit: Resources::TOPIC_LIMIT,
        };
        let aws = Aws::with_http(environment, http).unwrap();
        Store::new(aws, resources, Arc::new(SystemClock), Arc::new(SystemRng::new()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The requests of this name.
    pub(super) fn asked(&self, call: &str) -> Vec<Value> {
        self.state().asked.iter().filter(|(name, _)| name == call).map(|(_, body)| body.clone()).collect()
    }

    /// Answers the next call of this name so.
    pub(super) fn say(&self, call: &str, answer: Answer) {
        self.state().said.push((call.to_owned(), answer));
    }

    /// What is written down as the ARN of this version of a machine.
    pub(super) fn version(&self, machine: &str, number: u32) -> Option<String> {
        let name = machine.rsplit(':').next().unwrap();
        let item = self.state().items.get(&format!("machine#{name}/{number}")).cloned()?;
        Some(item["version_arn"]["S"].as_str().unwrap().to_owned())
    }

    pub(super) fn keeps(&self, most: usize) {
        self.state().most = Some(most);
    }

    /// The numbers of the versions that are there.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let state = self.state();
        state.versions.iter().map(|arn| arn.rsplit(':').next().unwrap().parse().unwrap()).collect()
    }

    pub(super) fn delete_version(&self, arn: &str) {
        self.state().versions.retain(|version| version != arn);
    }

    pub(super) fn forget_run(&self, name: &str) {
        self.state().items.remove(&format!("run#{name}")).unwrap();
    }

    pub(super) fn end(&self, name: &str, status: &str) {
        self.end_at(name, status, Timestamp::UNIX_EPOCH);
    }

    pub(super) fn end_at(&self, name: &str, status: &str, ended: Timestamp) {
        let mut state = self.state();
        let (_, execution) = state.executions.iter_mut().find(|(arn, _)| arn.ends_with(&format!(":{name}"))).unwrap();
        execution["status"] = status.into();
        execution["stopDate"] = ended.as_second().into();
    }

    pub(super) fn ask_approval(&self, tenant: &TenantId, run: &str, instance: &str, token: &str) {
        let approval = Approval {
            run: run.into(),
            instance: instance.into(),
            approvers: vec!["ada".parse().unwrap()],
            title: Personal::new("May I?".into()),
            text: Personal::new(String::new()),
            deadline: "2026-12-01T00:00:00Z".parse().unwrap(),
            redrive: 0,
            token: Some(Personal::new(token.into())),
            decision: None,
        };
        let key = approval_key(tenant, run, instance);
        let (pk, sk) = (format!("r#{tenant}#{}", key.collection), format!("/{}", key.id));
        let item = json!({
            "pk": { "S": pk }, "sk": { "S": sk }, "version": { "N": "1" }, "actor": { "S": "steps" },
            "at": { "N": "0" }, "data": { "S": serde_json::to_string(&approval).unwrap() },
        });
        self.state().items.insert(format!("{pk}{sk}"), item);
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
            let mut state = peer.state();
            state.asked.push((call.clone(), body.clone()));
            let said = state.said.iter().position(|(name, _)| *name == call);
            let (status, answer) = match said {
                Some(place) => state.said.remove(place).1,
                None => state.answer(&call, &body),
            };
            Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(answer.to_string())))
        })
    }
}

impl State {
    fn answer(&mut self, call: &str, body: &Value) -> Answer {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match call {
            "GetItem" => (200, self.items.get(&place(&body["Key"])).map_or(json!({}), |item| json!({ "Item": item }))),
            "PutItem" => {
                let key = place(&body["Item"]);
                if let Some(stands) = self.items.get(&key) {
                    let condition = text("ConditionExpression");
                    let name = body["ExpressionAttributeNames"]["#against"].as_str().unwrap_or_default();
                    let value = &body["ExpressionAttributeValues"][":against"];
                    let number = |value: &Value| value["N"].as_str().and_then(|n| n.parse::<i64>().ok());
                    let holds = match condition.as_str() {
                        "attribute_not_exists(#key)" => false,
                        "attribute_not_exists(#key) OR #against = :against" => stands[name] == *value,
                        "attribute_not_exists(#key) OR #against < :against" => number(&stands[name]) < number(value),
                        other => panic!("{other}"),
                    };
                    if !holds {
                        let kind = "ConditionalCheckFailedException";
                        return (400, json!({ "__type": kind, "message": "no", "Item": stands }));
                    }
                }
                self.items.insert(key, body["Item"].clone());
                (200, json!({}))
            }
            "CreateStateMachine" => {
                let arn = format!("{}{}", super::MACHINE, text("name"));
                if self.machines.contains_key(&arn) {
                    return refusal("StateMachineAlreadyExists", "it exists");
                }
                let version = self.publish(&arn);
                (200, json!({ "stateMachineArn": arn, "creationDate": 1, "stateMachineVersionArn": version }))
            }
            "UpdateStateMachine" => {
                let arn = text("stateMachineArn");
                if !self.machines.contains_key(&arn) {
                    return refusal("StateMachineDoesNotExist", "it doesn't");
                }
                if self.most.is_some_and(|most| self.versions.len() >= most) {
                    return refusal("ServiceQuotaExceededException", "the limit of versions is reached");
                }
                (200, json!({ "updateDate": 1, "stateMachineVersionArn": self.publish(&arn) }))
            }
            "DescribeStateMachine" if self.versions.contains(&text("stateMachineArn")) => (
                200,
                json!({ "stateMachineArn": text("stateMachineArn"), "name": "n", "definition": "{}", "roleArn": "r",
                    "type": "STANDARD", "creationDate": 1 }),
            ),
            "StartExecution" => self.start(&text("stateMachineArn"), &text("name"), &text("input")),
            "DescribeExecution" => match self.executions.get(&text("executionArn")) {
                Some(execution) => (200, execution.clone()),
                None => refusal("ExecutionDoesNotExist", "there is none"),
            },
            // The latest first.
            "ListStateMachineVersions" => {
                let version = |arn: &String| json!({ "stateMachineVersionArn": arn, "creationDate": 1 });
                (200, json!({ "stateMachineVersions": self.versions.iter().rev().map(version).collect::<Vec<_>>() }))
            }
            "DeleteStateMachineVersion" => {
                self.versions.retain(|arn| *arn != text("stateMachineVersionArn"));
                (200, json!({}))
            }
            "ListExecutions" => {
                let (version, status) = (text("stateMachineArn"), text("statusFilter"));
                let is_asked_for = |run: &&Value| run["stateMachineVersionArn"] == version && run["status"] == status;
                (200, json!({ "executions": self.executions.values().filter(is_asked_for).collect::<Vec<_>>() }))
            }
            "RedriveExecution" => {
                self.executions.get_mut(&text("executionArn")).unwrap()["status"] = "RUNNING".into();
                (200, json!({ "redriveDate": 1 }))
            }
            "SendTaskSuccess" => (200, json!({})),
            _ => refusal("StateMachineDoesNotExist", call),
        }
    }

    fn publish(&mut self, machine: &str) -> String {
        let number = self.machines.entry(machine.to_owned()).or_default();
        *number += 1;
        let arn = format!("{machine}:{number}");
        self.versions.push(arn.clone());
        arn
    }

    fn start(&mut self, version: &str, name: &str, input: &str) -> Answer {
        if !self.versions.iter().any(|known| known == version) {
            return refusal("StateMachineDoesNotExist", "there is no such version");
        }
        let (machine, _) = version.rsplit_once(':').unwrap();
        let arn = format!("{}:{name}", machine.replace(":stateMachine:", ":execution:"));
        if let Some(stands) = self.executions.get(&arn) {
            // As Step Functions does it: the same start again is answered as the first, while the run goes on.
            if stands["status"] != "RUNNING" || stands["input"] != input {
                return refusal("ExecutionAlreadyExists", "the name is taken");
            }
        } else {
            let execution = json!({ "executionArn": arn, "stateMachineArn": machine, "stateMachineVersionArn": version, "name": name, "status": "RUNNING",
                "startDate": 1, "input": input });
            self.executions.insert(arn.clone(), execution);
        }
        (200, json!({ "executionArn": arn, "startDate": 1 }))
    }
}

fn place(key: &Value) -> String {
    let part = |name: &str| key[name]["S"].as_str().unwrap_or_default();
    if key.get("id").is_some() { part("id").to_owned() } else { format!("{}{}", part("pk"), part("sk")) }
}
