//! A channel's function, over a stub of Twilio that is as strict as Twilio: batches of its queue, and actions.

use std::sync::Arc;

use sendoff_host::SystemClock;
use sendoff_tests::{
    lambda::{FunctionError, LambdaFunction},
    servers::{Served, TwilioStub},
};
use serde_json::{Value, json};

use crate::{
    email::{envelope, record},
    endpoint::Endpoint,
    given::{bare, function_with},
    store::Tables,
};

struct Rig {
    twilio: Served<TwilioStub>,
    tables: Arc<Tables>,
    sms: LambdaFunction,
    _aws: Endpoint,
}

async fn rig() -> Rig {
    let twilio = TwilioStub::start(Arc::new(SystemClock)).await;
    let tables = Arc::new(Tables::default());
    tables.record("users", "ada", &json!({ "name": "Ada", "phone": "+4917612345678" }));
    tables.record("users", "root", &json!({ "name": "Root" }));
    tables.record("apps", "crm", &json!({ "name": "CRM" }));
    let kept = Arc::clone(&tables);
    let aws = Endpoint::start(move |call| match call.name.as_str() {
        "GetSecretValue" if call.body.to_string().contains("twilio") => {
            Some((200, json!({ "Name": "twilio", "SecretString": TwilioStub::TOKEN })))
        }
        "GetSecretValue" => Some((200, json!({ "Name": "links", "SecretString": "0123456789abcdef" }))),
        _ => kept.answer(call),
    })
    .await;
    let more = [("TWILIO_BASE_URL", twilio.url()), ("SENDOFF_ROUTING", ROUTING.to_owned())];
    let sms = function_with("sms", &aws, more).await;
    Rig { twilio, tables, sms, _aws: aws }
}

const ROUTING: &str =
    r#"{"events":{"app.assigned":[{"to":"assignee","template":"app-assigned","channels":[["sms"]]}]}}"#;

fn action() -> Value {
    json!({
        "action": "sms", "idempotency_key": "run/step", "tenant": "acme", "to": { "user": "ada" }, "text": "Your code: 1234",
    })
}

#[tokio::test]
async fn an_event_from_the_queue_becomes_one_text_message_however_often_it_is_delivered() {
    let mut rig = rig().await;
    let batch = json!({ "Records": [record("m", &envelope().into())] });
    for _ in 0..2 {
        assert_eq!(rig.sms.invoke(&batch).await, Ok(json!({ "batchItemFailures": [] })), "{}", rig.sms.output());
    }
    let [message] = &rig.twilio.peer().messages()[..] else { panic!("{:?}", rig.twilio.peer().messages()) };
    assert_eq!((&*message.to, message.from.as_deref()), ("+4917612345678", Some(TwilioStub::NUMBER)));
    assert!(message.body.contains("CRM"), "{message:?}");
    let callback = message.status_callback.as_deref().unwrap();
    assert!(callback.starts_with("https://api.example.org/callbacks/twilio?delivery=sms%2F"), "{callback}");
    let output = rig.sms.output();
    assert!(!output.contains("4917612345678"), "a phone number is in the log: {output}");
}

#[tokio::test]
async fn an_action_is_done_once_and_a_repeated_call_is_answered_like_the_first() {
    let mut rig = rig().await;
    let first = rig.sms.invoke(&action()).await.unwrap();
    assert_eq!((&first["status"], &first["provider"]), (&json!("sent"), &json!("twilio")), "{}", rig.sms.output());
    let [message] = &rig.twilio.peer().messages()[..] else { panic!("{:?}", rig.twilio.peer().messages()) };
    assert_eq!((&*message.body, first["provider_id"].as_str()), ("Your code: 1234", Some(&*message.sid)));
    assert_eq!(rig.sms.invoke(&action()).await, Ok(first));
    assert_eq!(rig.twilio.peer().messages().len(), 1);
    let records = rig.tables.of("inbox");
    assert!(records.len() == 1 && records[0]["id"]["S"].as_str().unwrap().starts_with("sms/"), "{records:?}");
}

#[tokio::test]
async fn what_goes_wrong_with_an_action_has_the_name_that_state_machines_go_by() {
    let mut rig = rig().await;
    rig.twilio.peer().refuse("+4917612345678", 400, 21614);
    let mut kinds = Vec::new();
    for (field, value) in [("subject", json!("x")), ("text", json!("Hello"))] {
        let mut call = action();
        call[field] = value;
        match rig.sms.invoke(&call).await {
            Err(FunctionError::Failed { kind, message }) => {
                assert!(!message.contains("4917612345678"), "{message}");
                kinds.push((kind, message));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(kinds.iter().all(|(kind, _)| kind == "Action.Permanent"), "{kinds:?}");
    assert!(kinds[0].1.contains("`subject` isn't known here") && kinds[1].1.contains("21614"), "{kinds:?}");
}

/// How an invocation fails: the name of the error, and its text.
async fn failure(sms: &mut LambdaFunction, event: &Value) -> (String, String) {
    match sms.invoke(event).await {
        Err(FunctionError::Failed { kind, message }) => (kind, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_function_that_cannot_start_lets_the_state_machine_try_its_action_again() {
    let aws = Endpoint::start(|_| None).await;
    let mut sms = bare("sms", &aws).await;
    let (kind, message) = failure(&mut sms, &action()).await;
    assert_eq!(kind, "Action.Transient", "{message}");
    assert!(message.starts_with("not-started: ") && message.contains("TWILIO_SMS_FROM"), "{message}");
    let (kind, _) = failure(&mut sms, &json!({ "Records": [] })).await;
    assert_eq!(kind, "Sendoff.Start", "a batch of the queue is no action");
}

#[tokio::test]
async fn an_action_that_cannot_be_read_at_all_will_never_do() {
    let mut rig = rig().await;
    let (kind, message) = failure(&mut rig.sms, &json!({ "action": 5, "text": "hunter2" })).await;
    assert_eq!(kind, "Action.Permanent", "{message}");
    assert!(message.starts_with("invalid-call: ") && !message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn an_action_whose_tables_are_out_of_reach_may_do_later() {
    let aws = Endpoint::start(|call| match call.name.as_str() {
        "GetSecretValue" => Some((200, json!({ "Name": "any", "SecretString": "0123456789abcdef" }))),
        _ => Some((400, json!({ "__type": "AccessDeniedException", "message": "no" }))),
    })
    .await;
    let mut sms = function_with("sms", &aws, [("SENDOFF_ROUTING", ROUTING.to_owned())]).await;
    let (kind, message) = failure(&mut sms, &action()).await;
    assert!(["Action.Transient", "Action.Throttled"].contains(&kind.as_str()), "{kind}: {message}");
}
