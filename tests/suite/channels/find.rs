//! What Twilio's list of messages says about a doubt, and what it leaves open.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Found, channels::Provider};
use sendoff_events::Clock as _;
use sendoff_tests::servers::{Answer, Asked, Peer, PeerFault, Served, TwilioStub};
use serde_json::json;

use super::given::{TO, Twilio, http, kind, sms, template, whatsapp};

const MINUTE: Duration = Duration::from_secs(61);

fn sent(sid: &str) -> Found {
    Found::Sent { provider: Some("twilio".into()), provider_id: Some(sid.into()) }
}

fn is_not_sent(found: &Found) -> bool {
    matches!(found, Found::NotSent { .. })
}

#[tokio::test]
async fn a_message_that_twilio_took_before_it_fell_silent_is_found() {
    for fault in [PeerFault::HangAfter, PeerFault::ResetAfter, PeerFault::FailedAfter(500)] {
        let twilio = Twilio::start().await;
        twilio.stub.script().next([fault]);
        let provider = twilio.impatient();
        assert_eq!(kind(&provider.send(&sms(1), None).await), "unknown", "{fault:?}");
        let sid = twilio.stub.peer().messages()[0].sid.clone();
        let doubt = twilio.doubt(1);
        // Queued, it has no date of sending, and only the whole list shows it.
        assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell, "{fault:?}: so far it is in no list");
        twilio.clock.advance(MINUTE);
        assert_eq!(provider.find(&sms(1), &doubt).await, sent(&sid), "{fault:?}");
        twilio.stub.peer().set_status(&sid, "delivered", None);
        assert_eq!(provider.find(&sms(1), &doubt).await, sent(&sid), "{fault:?}");
        assert_eq!(twilio.stub.peer().messages().len(), 1);
    }
}

#[tokio::test]
async fn a_message_that_was_handed_on_is_found_at_once() {
    let twilio = Twilio::start().await;
    twilio.stub.script().next([PeerFault::ResetAfter]);
    let provider = twilio.sms();
    provider.send(&sms(1), None).await;
    let sid = twilio.stub.peer().messages()[0].sid.clone();
    twilio.stub.peer().set_status(&sid, "sent", None);
    assert_eq!(provider.find(&sms(1), &twilio.doubt(1)).await, sent(&sid));
}

#[tokio::test]
async fn a_message_that_never_arrived_is_sent_again_and_only_then() {
    for fault in [PeerFault::ResetBefore, PeerFault::FailedBefore(500)] {
        let twilio = Twilio::start().await;
        twilio.stub.script().next([fault]);
        let provider = twilio.sms();
        assert_eq!(kind(&provider.send(&sms(1), None).await), "unknown");
        let doubt = twilio.doubt(1);
        assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell, "it could still be on its way");
        twilio.clock.advance(MINUTE);
        assert!(is_not_sent(&provider.find(&sms(1), &doubt).await), "{fault:?}");
        assert_eq!(kind(&provider.send(&sms(1), None).await), "sent");
        assert_eq!(twilio.stub.peer().messages().len(), 1);
    }
}

#[tokio::test]
async fn a_later_attempt_at_the_same_message_has_to_settle_as_well() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    twilio.stub.script().next_for(TO, [PeerFault::ResetBefore; 2]);
    let doubt = twilio.doubt(1);
    for _ in 0..2 {
        provider.send(&sms(1), None).await;
        assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell);
        twilio.clock.advance(MINUTE);
    }
    assert!(is_not_sent(&provider.find(&sms(1), &doubt).await));
}

#[tokio::test]
async fn a_message_that_twilio_gave_up_has_failed() {
    for (status, code) in [("failed", Some(30007)), ("undelivered", Some(30003)), ("canceled", None)] {
        let twilio = Twilio::start().await;
        twilio.stub.script().next([PeerFault::ResetAfter]);
        let provider = twilio.sms();
        provider.send(&sms(1), None).await;
        let sid = twilio.stub.peer().messages()[0].sid.clone();
        twilio.stub.peer().set_status(&sid, status, code);
        let Found::Failed { reason } = provider.find(&sms(1), &twilio.doubt(1)).await else { unreachable!("{status}") };
        assert!(code.is_none_or(|code| reason.contains(&code.to_string())), "{reason}");
    }
}

#[tokio::test]
async fn the_same_text_for_another_event_is_not_taken_for_ours() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    twilio.stub.script().next([PeerFault::ResetBefore]);
    assert_eq!(kind(&provider.send(&sms(1), None).await), "unknown");
    let doubt = twilio.doubt(1);
    assert_eq!(kind(&provider.send(&sms(2), None).await), "sent");
    let sid = twilio.stub.peer().messages()[0].sid.clone();
    twilio.stub.peer().set_status(&sid, "delivered", None);
    twilio.clock.advance(MINUTE);
    assert!(is_not_sent(&provider.find(&sms(1), &doubt).await), "what was sent is the other one");
}

#[tokio::test]
async fn of_two_doubts_about_the_same_text_neither_takes_the_one_message_that_is_listed() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    twilio.stub.script().next([PeerFault::ResetBefore, PeerFault::ResetAfter]);
    for event in [1, 2] {
        assert_eq!(kind(&provider.send(&sms(event), None).await), "unknown");
    }
    let doubts = [twilio.doubt(1), twilio.doubt(2)];
    twilio.clock.advance(MINUTE);
    for (event, doubt) in [1, 2].into_iter().zip(&doubts) {
        assert_eq!(provider.find(&sms(event), doubt).await, Found::CannotTell, "{event}");
    }
}

#[tokio::test]
async fn of_two_messages_none_is_taken() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    twilio.stub.script().next([PeerFault::ResetAfter]);
    provider.send(&sms(1), None).await;
    twilio.stub.peer().add(|message| (message.to, message.body) = (TO.into(), sms(1).text));
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell);
}

#[tokio::test]
async fn where_others_send_as_well_a_message_may_be_theirs_but_its_absence_says_all() {
    let mut twilio = Twilio::start().await;
    twilio.settings.only_sender = false;
    let provider = twilio.sms();
    twilio.stub.script().next([PeerFault::ResetBefore]);
    provider.send(&sms(1), None).await;
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert!(is_not_sent(&provider.find(&sms(1), &doubt).await));
    twilio.stub.peer().add(|message| (message.to, message.body) = (TO.into(), sms(1).text));
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell);
}

#[tokio::test]
async fn a_process_that_began_later_does_not_know_whose_a_message_is() {
    let twilio = Twilio::start().await;
    twilio.stub.script().next([PeerFault::ResetAfter]);
    twilio.sms().send(&sms(1), None).await;
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(twilio.sms().find(&sms(1), &doubt).await, Found::CannotTell);
}

#[tokio::test]
async fn a_text_that_may_be_ours_but_changed_leaves_the_doubt() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    let add = |from: &str, body: &str| {
        let (from, body) = (from.to_owned(), body.to_owned());
        twilio.stub.peer().add(|message| (message.to, message.from, message.body) = (TO.into(), Some(from), body))
    };
    add(TwilioStub::NUMBER, "Sent from your Twilio trial account - You have a new app: CRM");
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell, "another text");
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    let add = |from: &str, body: &str| {
        let (from, body) = (from.to_owned(), body.to_owned());
        twilio.stub.peer().add(|message| (message.to, message.from, message.body) = (TO.into(), Some(from), body))
    };
    add("Acme", &sms(1).text);
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell, "another sender");
}

#[tokio::test]
async fn all_pages_are_read_and_messages_of_other_times_and_people_are_no_candidates() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    let now = twilio.clock.now();
    for hours in 1..=45 {
        twilio.stub.peer().add(|message| {
            (message.to, message.body) = (TO.into(), sms(1).text);
            message.created = now - Duration::from_secs(hours * 3600);
        });
    }
    twilio.stub.peer().add(|message| (message.to, message.body) = ("+4915112345".into(), sms(1).text));
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert!(is_not_sent(&provider.find(&sms(1), &doubt).await));
    // One page of those that were sent, three of all.
    assert_eq!(twilio.stub.asked().len(), 4);
    let twilio_has_it = Twilio::start().await;
    let provider = twilio_has_it.sms();
    let doubt = twilio_has_it.doubt(1);
    let ours = twilio_has_it.stub.peer().add(|message| (message.to, message.body) = (TO.into(), sms(1).text));
    for _ in 0..45 {
        twilio_has_it.stub.peer().add(|message| {
            (message.to, message.body) = (TO.into(), sms(1).text);
            message.created = now - Duration::from_secs(24 * 3600);
        });
    }
    twilio_has_it.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, sent(&ours), "it stands on the last page");
}

#[tokio::test]
async fn a_list_without_end_proves_nothing() {
    let twilio = Twilio::start().await;
    let provider = twilio.sms();
    let long_ago = twilio.clock.now() - Duration::from_secs(24 * 3600);
    for _ in 0..501 {
        twilio.stub.peer().add(|message| (message.to, message.created) = (TO.into(), long_ago));
    }
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell);
}

#[tokio::test]
async fn a_list_that_can_not_be_had_proves_nothing() {
    for fault in PeerFault::ALL {
        let twilio = Twilio::start().await;
        let hangs = matches!(fault, PeerFault::HangBefore | PeerFault::HangAfter);
        let provider = if hangs { twilio.impatient() } else { twilio.sms() };
        let doubt = twilio.doubt(1);
        twilio.clock.advance(MINUTE);
        twilio.stub.script().always_for("list", Some(fault));
        let found = provider.find(&sms(1), &doubt).await;
        match fault {
            PeerFault::Slow(_) => assert!(is_not_sent(&found), "{found:?}"),
            _ => assert_eq!(found, Found::CannotTell, "{fault:?}"),
        }
    }
}

#[tokio::test]
async fn another_providers_doubt_is_none_of_twilios() {
    let twilio = Twilio::start().await;
    let doubt = sendoff_consumers::Doubt { provider: Some("meta".into()), ..twilio.doubt(1) };
    twilio.clock.advance(MINUTE);
    assert_eq!(twilio.whatsapp().find(&whatsapp(template()), &doubt).await, Found::CannotTell);
    assert!(twilio.stub.asked().is_empty());
}

#[tokio::test]
async fn a_template_is_found_by_what_its_recipient_reads() {
    let twilio = Twilio::start().await;
    twilio.stub.script().next([PeerFault::ResetAfter]);
    let provider = twilio.whatsapp();
    provider.send(&whatsapp(template()), None).await;
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    let sid = twilio.stub.peer().messages()[0].sid.clone();
    assert_eq!(provider.find(&whatsapp(template()), &doubt).await, sent(&sid));
}

/// Lists nothing, and says that there is more elsewhere.
struct Elsewhere;

impl Peer for Elsewhere {
    fn subject(&self, _: &Asked) -> String {
        String::new()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let next = format!("http://{}@eve.example.org/steal", asked.header("host").unwrap_or_default());
        Answer::json(200, &json!({ "messages": [], "next_page_uri": next }))
    }

    fn failure(&self, status: u16) -> Answer {
        Answer::json(status, &json!({}))
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_list_to_another_place() {
    let mut twilio = Twilio::start().await;
    let elsewhere = Served::start(Elsewhere).await;
    twilio.settings.base_url = elsewhere.url();
    let clock = Arc::new(twilio.clock.clone());
    let provider =
        sendoff_consumers::channels::sms::TwilioSms::new(twilio.settings.clone(), http(Duration::from_secs(30)), clock)
            .unwrap();
    let doubt = twilio.doubt(1);
    twilio.clock.advance(MINUTE);
    assert_eq!(provider.find(&sms(1), &doubt).await, Found::CannotTell);
    assert_eq!(elsewhere.asked().len(), 1, "the next page was not asked for");
}
