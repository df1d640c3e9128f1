//! `sendoff doubt --backend aws`, beside a deployment in the emulator.

use std::{path::Path, time::Duration};

use sendoff_consumers::{
    Claim, Claimed, Class, DeliveryId, DeliveryNews, DeliveryStatus, Failure, IdempotencyKey, NewMessage, RouterPorts,
    Status, Step, StepState,
};
use sendoff_events::{Clock as _, EventId, Timestamp, at_millis};
use sendoff_host::SystemClock;
use sendoff_tests::{
    conformance::{Backend as _, OnAws},
    servers::Emulator,
};
use serde_json::{Value, json};

use crate::program::{Ended, finish, run, sendoff};

const EVENT: &str = "01938d1e-7b2c-7000-8000-000000000001";

/// The program, as its user's environment leads it to the deployment.
fn doubt(data: &Path, backend: &OnAws, args: &[&str]) -> Ended {
    let mut command = sendoff(data);
    command.arg("doubt").args(args).args(["--backend", "aws"]).envs(Emulator::shared().variables());
    let resources = backend.store().resources();
    command.env("SENDOFF_INBOX_TABLE", &resources.inbox_table).env("SENDOFF_BUCKET", &resources.bucket);
    command.env("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base);
    finish(&mut command)
}

/// Leaves a text message in doubt, with its dead letter, as its consumer does.
async fn in_doubt(backend: &OnAws) -> DeliveryId {
    let at = at_millis(SystemClock.now()) - Duration::from_secs(600);
    let key = IdempotencyKey::new("sms", EVENT.parse::<EventId>().unwrap());
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
        state: StepState::InDoubt,
        doubted: false,
        at,
        provider: Some("twilio".into()),
        provider_id: None,
        reason: Some("no answer".into()),
        mark: None,
        result: None,
    };
    record.steps.insert("ada".into(), step);
    (record.status, record.revision) = (Status::InDoubt, record.revision + 1);
    backend.inbox().write(&record).await.unwrap();
    bury(backend, at).await;
    let id = DeliveryId::new(key, "ada");
    let news = DeliveryNews {
        status: DeliveryStatus::Sent,
        provider: "twilio".into(),
        provider_id: Some("SM1".into()),
        reason: None,
        at,
    };
    backend.store().deliveries(RouterPorts::KEEP).tell(&id, &news, at).await.unwrap();
    id
}

async fn bury(backend: &OnAws, at: Timestamp) {
    let queue = backend.create_queue("sms", None).await;
    let message = NewMessage { body: format!(r#"{{"id":"{EVENT}"}}"#).into(), ..NewMessage::default() };
    queue.send(&[message]).await.remove(0).unwrap();
    let delivery = queue.receive(1, Duration::from_secs(20), Duration::from_secs(60)).await.unwrap().remove(0);
    let failure = Failure {
        reason: "outcome-unknown".into(),
        class: Class::InDoubt,
        fingerprint: "outcome-unknown-0badcafe".into(),
        consumer: "sms".into(),
        attempts: 1,
        first_at: at,
        last_at: at,
        error: "no answer".into(),
    };
    queue.dead_letter(&[(delivery, failure)]).await.remove(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_listed_settled_and_kept_and_its_message_is_back_in_its_queue() {
    let folder = tempfile::tempdir().unwrap();
    let backend = OnAws::open().await;
    let id = in_doubt(&backend).await.to_string();
    let call = |args: &[&str]| doubt(folder.path(), &backend, args);

    let doubts = call(&["ls", "--output", "json"]).json(6);
    let row = &doubts[0];
    assert_eq!(
        (&row["id"], &row["channel"], &row["recipient"], &row["event"], &row["provider"], &row["reason"]),
        (&json!(id), &json!("sms"), &json!("ada"), &json!(EVENT), &json!("twilio"), &json!("no answer"))
    );
    assert_eq!(
        (&row["type"], &row["tenant"], &row["message"], &row["news"]["status"]),
        (&Value::Null, &Value::Null, &json!("unknown"), &json!("sent"))
    );
    assert!(call(&["ls"]).with(6).contains("unknown"));
    call(&["audit"]).with(4);

    let again = ["resolve", &id, "--again", "--because", "not in Twilio's log", "--by", "grace"];
    let tried = call(&again);
    assert!(tried.with(6).contains("it would be sent again") && tried.err.contains("add --yes"), "{tried:?}");
    assert_eq!(backend.dead_letters("sms").await.len(), 1, "nothing was done");

    let yes = [&again[..], &["--yes"]].concat();
    let ended = call(&yes);
    assert!(ended.with(0).contains("it is sent again"), "{ended:?}");
    assert!(backend.dead_letters("sms").await.is_empty());
    let back = backend.store().queue("sms").receive(1, Duration::from_secs(20), Duration::from_secs(60)).await.unwrap();
    assert_eq!((back.len(), back[0].attributes.len()), (1, 0));

    assert_eq!(call(&["ls", "--output", "json"]).json(0), json!([]));
    let twice = call(&yes);
    assert!(twice.code == Some(4) && twice.err.contains("is not in doubt"), "{twice:?}");
    let audit = call(&["audit", "--output", "json"]).json(0);
    assert_eq!(audit.as_array().unwrap().len(), 1);
    let entry = &audit[0];
    assert_eq!(
        (&entry["by"], &entry["action"], &entry["target"], &entry["because"]),
        (&json!("grace"), &json!("doubt-send-again"), &json!(id), &json!("not in Twilio's log"))
    );
}

#[test]
fn without_the_names_of_its_resources_it_asks_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(folder.path(), ["doubt", "ls", "--backend", "aws"]);
    ended.with(2);
    assert!(ended.err.contains("SENDOFF_INBOX_TABLE") && ended.err.contains("is missing"), "{}", ended.err);
    let id = format!("sms/{EVENT}/ada");
    let mut resolve = sendoff(folder.path());
    resolve.args(["doubt", "resolve", &id, "--sent", "--by", "grace", "--yes", "--backend", "aws"]);
    let ended = finish(&mut resolve);
    ended.with(2);
    assert!(ended.err.contains("SENDOFF_QUEUE_URL_BASE") && ended.err.contains("SENDOFF_BUCKET"), "{}", ended.err);
}
