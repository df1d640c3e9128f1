//! What happens in a deployed system. One stack serves all: it takes a while to come up.

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use sendoff_consumers::{Failure, IdempotencyKey, NewMessage, Status};
use sendoff_events::{AppAssigned, Envelope, EventId, Origin, Outgoing, at_millis};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_producers::UnitOfWork;
use serde_json::json;

use crate::{
    caller::Caller,
    stack::{PUBLIC_URL, Stack, eventually},
    workflows,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deployed_template_takes_calls_and_sends_mail() {
    let stack = Stack::deploy().await;
    strangers_are_kept_out(&stack).await;
    let caller = Caller::of(&stack);
    given_people_and_apps(&caller).await;
    a_call_ends_as_a_mail(&stack, &caller).await;
    a_call_ends_as_a_text_message_for_whom_that_comes_first(&stack, &caller).await;
    a_submission_ends_as_a_run_and_in_the_timeline(&stack, &caller).await;
    workflows::a_decision_by_a_link_goes_on_to_other_systems_and_apps(&stack, &caller).await;
    workflows::a_schedule_starts_a_run_and_puts_the_next_one(&stack, &caller).await;
    what_was_committed_is_published_although_its_committer_died(&stack).await;
    a_poisoned_message_is_a_dead_letter_and_its_neighbour_is_mailed(&stack).await;
}

async fn strangers_are_kept_out(stack: &Stack) {
    for token in ["", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJncmFjZSJ9."] {
        let stranger = Caller::of(stack).with_token(token);
        let (status, ..) = stranger.call(Method::GET, "/v1/apps/crm", None).await;
        assert!(matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN), "{token}: {status}");
    }
    // Callbacks have no authorizer before them: the function itself asks for a proof.
    let (status, _, answer) = Caller::of(stack).with_token("").call(Method::POST, "/callbacks/twilio", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
}

async fn given_people_and_apps(caller: &Caller) {
    for user in ["ada", "bjorn", "carol", "dora", "frida", "hedy"] {
        let body = json!({ "name": user, "email": format!("{user}@example.org"), "locale": "en" });
        caller.change(Method::PUT, &format!("/v1/users/{user}"), Some(body)).await;
    }
    let erin = json!({ "name": "erin", "email": "erin@example.org", "phone": "+4917612345678" });
    caller.change(Method::PUT, "/v1/users/erin", Some(erin)).await;
    let app = json!({ "name": "CRM", "owners": ["ada"] });
    caller.change(Method::PUT, "/v1/apps/crm", Some(app)).await;
}

/// The mails to a user, once there is one.
pub(crate) async fn mail_to(stack: &Stack, user: &str) -> String {
    let to = format!("To: {user}@example.org");
    eventually(&format!("a mail to {user}"), async || {
        stack.mail.received().into_iter().find(|mail| mail.lines().any(|line| line == to))
    })
    .await
}

/// The outcome of an event at its consumer, once it has one.
pub(crate) async fn outcome(stack: &Stack, consumer: &str, event: EventId) -> (Status, Option<String>) {
    let inbox = stack.store().inbox();
    let key = IdempotencyKey::new(consumer, event);
    eventually(&format!("the end of {key}"), async || {
        let record = inbox.get(&key).await.expect("the inbox answers")?;
        let provider_id = record.steps.values().find_map(|step| step.provider_id.clone());
        (record.status != Status::Claimed).then_some((record.status, provider_id))
    })
    .await
}

async fn a_call_ends_as_a_mail(stack: &Stack, caller: &Caller) {
    let (event, _) = caller.change(Method::PUT, "/v1/apps/crm/assignments/bjorn", None).await;
    let mail = mail_to(stack, "bjorn").await;
    assert!(
        mail.contains("From: Apps <apps@example.org>") || mail.contains("From: \"Apps\" <apps@example.org>"),
        "{mail}"
    );
    assert!(mail.contains("CRM") && mail.contains(&format!("X-Idempotency-Key: email/{event}/bjorn")), "{mail}");
    assert_eq!(outcome(stack, "email", event.parse().unwrap()).await.0, Status::Done);
}

async fn a_call_ends_as_a_text_message_for_whom_that_comes_first(stack: &Stack, caller: &Caller) {
    let (event, _) = caller.change(Method::PUT, "/v1/apps/crm/assignments/erin", None).await;
    let message =
        eventually("a text message to erin", async || stack.twilio.peer().messages().into_iter().next()).await;
    assert!(message.to == "+4917612345678" && message.body.contains("CRM"), "{message:?}");
    let callback = format!("{PUBLIC_URL}/callbacks/twilio?delivery=sms%2F{event}%2Ferin");
    assert_eq!(message.status_callback, Some(callback));
    let (status, provider_id) = outcome(stack, "sms", event.parse().unwrap()).await;
    assert_eq!((status, provider_id), (Status::Done, Some(message.sid)));
}

async fn a_submission_ends_as_a_run_and_in_the_timeline(stack: &Stack, caller: &Caller) {
    let workflow = json!({
        "workflow": "tell-frida", "app": "crm", "fields": { "amount": "number" },
        "on": [{ "submission": "created", "when": "{amount} > 10" }],
        "steps": [
            { "id": "sum", "set": { "double": "{amount} * 2" } },
            { "id": "tell", "email": { "to": { "user": "frida" }, "subject": "Twice is {{ {vars.double} }}", "text": "Look." } },
        ],
        "vars": { "double": "number" },
    });
    let (published, _) =
        caller.change(Method::POST, "/v1/apps/crm/workflows/tell-frida/versions", Some(workflow)).await;
    assert_eq!(outcome(stack, "workflow-kickoff", published.parse().unwrap()).await.0, Status::Done);
    let body = json!({ "fields": { "amount": 12.5 } });
    let (event, _) = caller.change(Method::POST, "/v1/apps/crm/submissions", Some(body)).await;
    assert_eq!(outcome(stack, "workflow-kickoff", event.parse().unwrap()).await.0, Status::Done);
    let mail = mail_to(stack, "frida").await;
    assert!(mail.contains("Subject: Twice is 25"), "{mail}");
    mail_to(stack, "ada").await;
    eventually("the timeline", async || {
        let (_, _, page) = caller.call(Method::GET, "/v1/apps/crm/timeline", None).await;
        let text = page.to_string();
        ["app created", "user assigned", "submission created"].iter().all(|action| text.contains(action)).then_some(())
    })
    .await;
}

/// A fresh assignment of `user`.
fn assigned(user: &str) -> Outgoing {
    let id = |text: &str| text.parse().unwrap();
    let data = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id(user), assigned_by: id("grace") };
    let origin = Origin {
        source: "/deployed".into(),
        tenant: "acme".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    Envelope::new(data, origin, Some(1), &SystemClock, &SystemRng::new()).encode().unwrap()
}

/// A commit without a publication, as of an API that was killed in between: the stream's relay has to see it.
async fn what_was_committed_is_published_although_its_committer_died(stack: &Stack) {
    let event = assigned("carol");
    let at = at_millis(sendoff_events::Clock::now(&SystemClock));
    let work = UnitOfWork::new(event.tenant().clone(), "grace", at).tell(event.clone());
    stack.store().records().commit(work).await.expect("committed");
    let mail = mail_to(stack, "carol").await;
    assert!(mail.contains(&format!("X-Idempotency-Key: email/{}/carol", event.id())), "{mail}");
    let outbox = stack.store().outbox();
    eventually("the mark", async || {
        let pending = outbox.pending(sendoff_events::Clock::now(&SystemClock), 100).await.expect("the outbox answers");
        pending.events.is_empty().then_some(())
    })
    .await;
}

async fn a_poisoned_message_is_a_dead_letter_and_its_neighbour_is_mailed(stack: &Stack) {
    let queue = stack.store().queue("email");
    let message = |body: Bytes| NewMessage { body, ..NewMessage::default() };
    let sent = queue.send(&[message("Hello!".into()), message(assigned("dora").into_body())]).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    mail_to(stack, "dora").await;
    let sqs = stack.aws.sqs();
    let letter = eventually("the dead letter", async || {
        let receive =
            sqs.receive_message().queue_url(stack.output("EmailDeadLettersUrl")).message_attribute_names("All");
        receive.send().await.expect("the queue answers").messages.unwrap_or_default().pop()
    })
    .await;
    assert_eq!(letter.body(), Some("Hello!"));
    let told = letter.message_attributes().unwrap()["failure"].string_value().unwrap();
    let failure: Failure = serde_json::from_str(told).unwrap();
    assert_eq!((&*failure.reason, &*failure.consumer), ("not-json", "email"));
    eventually("the queue is empty", async || {
        let depth = queue.depth().await.expect("the queue answers");
        (depth.visible + depth.in_flight + depth.delayed == 0).then_some(())
    })
    .await;
}
