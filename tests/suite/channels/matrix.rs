//! Every fault of every provider: what the provider says of a message, and what its peer did with it.

use std::time::Duration;

use sendoff_consumers::{
    NotSent, SendOutcome,
    channels::{Provider, whatsapp::WhatsappContent},
};
use sendoff_tests::servers::{MetaStub, PeerFault};

use super::given::{Twilio, key, kind, meta, sms, template, text, whatsapp};

/// What has to be said of a message that met the fault, whatever the peer did.
fn expected(fault: PeerFault) -> &'static str {
    match fault {
        PeerFault::Throttled { .. } => "throttled",
        PeerFault::FailedBefore(_)
        | PeerFault::FailedAfter(_)
        | PeerFault::HangBefore
        | PeerFault::HangAfter
        | PeerFault::ResetBefore
        | PeerFault::ResetAfter => "unknown",
        PeerFault::Torn | PeerFault::Garbled | PeerFault::Slow(_) => "sent",
    }
}

/// Checks one cell of the matrix.
fn check(fault: PeerFault, outcome: &SendOutcome, provider: &str, asked: usize, acted: usize, id: Option<&str>) {
    let cell = format!("{provider}, {}", fault.name());
    assert_eq!(kind(outcome), expected(fault), "{cell}: {outcome:?}");
    assert_eq!(asked, 1, "{cell}: asked exactly once");
    assert_eq!(acted, usize::from(fault.acts()), "{cell}: acted on at most once");
    match outcome {
        SendOutcome::Sent { provider: Some(name), provider_id } => {
            assert_eq!(name, provider, "{cell}");
            let readable = matches!(fault, PeerFault::Slow(_));
            assert_eq!(provider_id.as_deref(), id.filter(|_| readable), "{cell}");
        }
        SendOutcome::NotSent(NotSent::Throttled { after, .. }) => {
            let PeerFault::Throttled { retry_after } = fault else { unreachable!("{cell}") };
            assert_eq!(*after, retry_after.map(Duration::from_secs), "{cell}");
            assert_eq!(acted, 0, "{cell}: what was throttled must not have been sent");
        }
        SendOutcome::Unknown { provider: Some(name), .. } => assert_eq!(name, provider, "{cell}"),
        other => unreachable!("{cell}: {other:?}"),
    }
}

fn hangs(fault: PeerFault) -> bool {
    matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter)
}

#[tokio::test]
async fn a_text_message_through_twilio_is_never_said_to_be_more_or_less_than_is_known() {
    for fault in PeerFault::ALL {
        let twilio = Twilio::start().await;
        twilio.stub.script().next([fault]);
        let provider = if hangs(fault) { twilio.impatient() } else { twilio.sms() };
        let outcome = provider.send(&sms(1), None).await;
        let taken = twilio.stub.peer().messages();
        let sid = taken.first().map(|message| &*message.sid);
        check(fault, &outcome, "twilio", twilio.stub.asked().len(), taken.len(), sid);
    }
}

#[tokio::test]
async fn a_whatsapp_message_through_twilio_is_never_said_to_be_more_or_less_than_is_known() {
    for fault in PeerFault::ALL {
        for content in [text(), template()] {
            let twilio = Twilio::start().await;
            twilio.stub.script().next([fault]);
            let outcome = twilio.whatsapp_with(hangs(fault)).send(&whatsapp(content), None).await;
            let taken = twilio.stub.peer().messages();
            let sid = taken.first().map(|message| &*message.sid);
            check(fault, &outcome, "twilio", twilio.stub.asked().len(), taken.len(), sid);
        }
    }
}

#[tokio::test]
async fn a_whatsapp_message_through_meta_is_never_said_to_be_more_or_less_than_is_known() {
    for fault in PeerFault::ALL {
        for content in [text(), template()] {
            let stub = MetaStub::start().await;
            stub.script().next([fault]);
            let outcome = meta(&stub, hangs(fault)).send(&whatsapp(content), None).await;
            let taken = stub.peer().messages();
            let id = taken.first().map(|message| &*message.id);
            check(fault, &outcome, "meta", stub.asked().len(), taken.len(), id);
        }
    }
}

#[tokio::test]
async fn where_nobody_listens_the_provider_is_unavailable_and_no_message_in_doubt() {
    let mut twilio = Twilio::start().await;
    // The port of the discard service: a reserved one, which no test is ever given.
    twilio.settings.base_url = "http://127.0.0.1:9".into();
    assert_eq!(kind(&twilio.sms().send(&sms(1), None).await), "unavailable");
    assert_eq!(kind(&twilio.whatsapp().send(&whatsapp(text()), None).await), "unavailable");
    let stub = MetaStub::start().await;
    let gone = meta(&stub, false);
    drop(stub);
    // The task that listens ends with the stub, a moment later.
    let outcome = async {
        loop {
            let outcome = gone.send(&whatsapp(text()), None).await;
            if kind(&outcome) != "sent" && kind(&outcome) != "unknown" {
                return outcome;
            }
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await.unwrap();
    assert_eq!(kind(&outcome), "unavailable");
}

#[tokio::test]
async fn a_message_through_twilio_says_what_it_should_and_where_its_news_go() {
    let twilio = Twilio::start().await;
    twilio.sms().send(&sms(1), None).await;
    for content in [text(), template()] {
        twilio.whatsapp().send(&whatsapp(content), None).await;
    }
    let taken = twilio.stub.peer().messages();
    let read: Vec<_> = taken.iter().map(|m| (&*m.to, m.from.as_deref().unwrap(), &*m.body)).collect();
    assert_eq!(
        read,
        [
            ("+447700900123", "+4930123456", "You have a new app: CRM"),
            ("whatsapp:+447700900123", "whatsapp:+4930123456", "You have a new app: CRM"),
            ("whatsapp:+447700900123", "whatsapp:+4930123456", "Hello Ada, you have a new app: CRM"),
        ]
    );
    for message in &taken {
        let callback = url::Url::parse(message.status_callback.as_deref().unwrap()).unwrap();
        assert_eq!((callback.host_str(), callback.path()), (Some("notify.example.org"), "/callbacks/twilio"));
        assert_eq!(callback.query_pairs().collect::<Vec<_>>(), [("delivery".into(), key(1).into())]);
    }
}

#[tokio::test]
async fn a_message_through_meta_says_what_it_should_and_carries_its_key() {
    let stub = MetaStub::start().await;
    for content in [text(), template()] {
        meta(&stub, false).send(&whatsapp(content), None).await;
    }
    let taken = stub.peer().messages();
    let read: Vec<_> = taken.iter().map(|m| (&*m.to, &*m.says, m.callback_data.clone())).collect();
    let (to, key) = ("447700900123", Some(key(1)));
    assert_eq!(read, [(to, "You have a new app: CRM", key.clone()), (to, "app_assigned|Ada|CRM", key)]);
}

#[tokio::test]
async fn what_breaks_a_rule_of_the_provider_costs_no_request() {
    let (twilio, stub) = (Twilio::start().await, MetaStub::start().await);
    let mut long = sms(1);
    long.text = "x".repeat(1601);
    assert_eq!(kind(&twilio.sms().send(&long, None).await), "permanent");
    let WhatsappContent::Template(mut unknown) = template() else { unreachable!() };
    unknown.content_sid = None;
    let outcome = twilio.whatsapp().send(&whatsapp(WhatsappContent::Template(unknown)), None).await;
    let SendOutcome::NotSent(NotSent::Permanent { reason }) = outcome else { unreachable!("{outcome:?}") };
    assert!(reason.contains("`app_assigned`"), "{reason}");
    let outcome = meta(&stub, false).send(&whatsapp(WhatsappContent::Text("x".repeat(4097))), None).await;
    assert_eq!(kind(&outcome), "permanent");
    assert_eq!((twilio.stub.asked().len(), stub.asked().len()), (0, 0));
}
