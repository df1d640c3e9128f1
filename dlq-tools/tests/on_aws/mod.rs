//! Opening a deployment in the emulator.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use sendoff_consumers::{AuditNote, NewMessage};
use sendoff_dlq_tools::{
    Session,
    deployment::{Access, Backend, Deployment, Place},
};
use sendoff_events::Timestamp;
use sendoff_host::Exit;
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::{Answer, Asked, Emulator, Peer, Served},
};
use serde_json::json;

use crate::calls::call;

/// The environment that leads to the deployment.
fn variables(backend: &OnAws) -> BTreeMap<String, String> {
    let resources = backend.store().resources();
    let mut variables = Emulator::shared().variables();
    variables.extend(
        [
            ("HOME", "/home/ada"),
            ("SENDOFF_INBOX_TABLE", &resources.inbox_table),
            ("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base),
            ("SENDOFF_DLQ_APPROVAL", "required"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    variables
}

#[tokio::test]
async fn the_environment_alone_leads_to_a_deployment_with_its_queues_and_its_audit() {
    let backend = OnAws::open().await;
    backend.create_queue("email", None).await;
    let session = Session { variables: variables(&backend), ..Session::of_this_process() };
    let deployment = Deployment::open(&session, &Place::default(), Access::Look).await.map_err(|e| e.message).unwrap();
    assert!(deployment.backend == Backend::Aws && deployment.needs_approval);
    let queues = deployment.letters.queues(Timestamp::UNIX_EPOCH).await.unwrap();
    let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["email-dlq", "timeline-dlq"]);
    let text = |text: &str| text.to_owned();
    let note = AuditNote {
        who: text("grace"),
        action: text("purge"),
        event: None,
        target: text("email-dlq"),
        because: text("they are archived"),
    };
    let entry = deployment.audit.append(&note).await.unwrap();
    assert_eq!(deployment.audit.entries(0, 10).await.unwrap(), [entry]);
}

/// The emulator's SQS, which tells how many messages there are and gives none.
struct Shut;

impl Peer for Shut {
    fn subject(&self, asked: &Asked) -> String {
        asked.header("x-amz-target").unwrap_or_default().to_owned()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if self.subject(asked) == "AmazonSQS.ReceiveMessage" { self.failure(403) } else { forwarded(asked) }
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": "no" }))
    }
}

/// What the emulator answers.
fn forwarded(asked: &Asked) -> Answer {
    let endpoint = Emulator::shared().endpoint();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    let is_kept = |name: &str| !["connection", "content-length", "transfer-encoding"].contains(&name);
    let headers =
        asked.headers.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| format!("{name}: {value}\r\n"));
    let (headers, length) = (headers.collect::<String>(), asked.body.len());
    let head = format!("POST / HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &asked.body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer::json(head[9..12].parse().unwrap(), &serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_looked_into_is_told_by_the_exit_code() {
    let (backend, sqs, home) = (OnAws::open().await, Served::start(Shut).await, tempfile::tempdir().unwrap());
    backend.create_queue("email", None).await;
    let dead = backend.store().queue("email-dlq");
    dead.send(&[NewMessage { body: "dead".into(), ..NewMessage::default() }]).await.remove(0).unwrap();
    let mut variables = variables(&backend);
    let ls = async |variables: &BTreeMap<String, String>, more: &[&str]| {
        let (variables, folder) = (variables.clone(), home.path().to_owned());
        let session = Session { variables, folder, ..Session::of_this_process() };
        call(session, &[&["--backend", "aws", "ls"], more].concat()).await
    };
    ls(&variables, &[]).await.expect(Exit::Done);
    variables.insert("AWS_ENDPOINT_URL_SQS".into(), sqs.url());
    let told = ls(&variables, &["--output", "json"]).await.expect(Exit::Partly);
    assert!(told.err.contains("`email-dlq` can't be looked into"), "{told:?}");
    assert_eq!((&told.json()[0]["queue"], &told.json()[0]["waiting"]), (&json!("email-dlq"), &json!(1)));
    let told = ls(&variables, &["--prom"]).await.expect(Exit::Done);
    assert!(
        told.out.contains("{queue=\"email-dlq\",state=\"waiting\"} 1") && told.err.contains("can't be looked into"),
        "{told:?}"
    );
}
