//! The provider against peers that do every wrong thing at every stage.

use std::time::Duration;

use sendoff_events::Personal;
use tokio::net::TcpListener;

use super::{
    EmailProvider, Mail, SmtpProvider, SmtpSettings, message_id,
    scripted_peer::{
        Act::{self, Close, Hang, Say},
        CERTIFICATE, Peer, Rule,
    },
};
use crate::{NotSent, SendOutcome};

fn mail() -> Mail {
    Mail {
        to: Personal::new("ada@example.org".parse().unwrap()),
        from: "Acme <apps@acme.example>".parse().unwrap(),
        reply_to: None,
        subject: "Hello".into(),
        html: "<p>Hello</p>".into(),
        text: "Hello\n.\nand goodbye".into(),
        idempotency_key: "email/01938d1e-7b2c-7000-8000-000000000000/ada".into(),
        date: "2026-11-24T12:00:00Z".parse().unwrap(),
        list_unsubscribe: None,
    }
}

fn settings(url: &str) -> SmtpSettings {
    SmtpSettings { root_certificates: vec![CERTIFICATE.to_vec()], ..SmtpSettings::new(url.parse().unwrap()) }
}

fn provider(url: &str) -> SmtpProvider {
    SmtpProvider::new(settings(url)).unwrap()
}

/// For peers that hang: nothing is waited for that a good local peer would need.
fn impatient(url: &str) -> SmtpProvider {
    let short = Duration::from_millis(250);
    let mut settings = settings(url);
    settings.timeouts.connect = short;
    settings.timeouts.command = short;
    settings.timeouts.after_data = short;
    SmtpProvider::new(settings).unwrap()
}

fn plain(peer: &Peer) -> String {
    format!("smtp://127.0.0.1:{}?tls=none", peer.port)
}

fn kind(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Sent { .. } => "sent",
        SendOutcome::Skipped { .. } => "skipped",
        SendOutcome::NotSent(NotSent::Permanent { .. }) => "permanent",
        SendOutcome::NotSent(NotSent::Transient { .. }) => "transient",
        SendOutcome::NotSent(NotSent::Throttled { .. }) => "throttled",
        SendOutcome::Unknown { .. } => "unknown",
    }
}

fn reason(outcome: &SendOutcome) -> &str {
    match outcome {
        SendOutcome::NotSent(
            NotSent::Permanent { reason } | NotSent::Transient { reason } | NotSent::Throttled { reason, .. },
        )
        | SendOutcome::Skipped { reason }
        | SendOutcome::Unknown { reason } => reason,
        SendOutcome::Sent { .. } => "",
    }
}

#[tokio::test]
async fn a_mail_that_the_server_takes_is_sent_and_has_the_servers_name_for_it() {
    let peer = Peer::plain(vec![]).await;
    let outcome = provider(&plain(&peer)).send(&mail()).await;
    assert_eq!(outcome, SendOutcome::Sent { provider_id: Some("queued as Q1".into()) });
    let seen = peer.seen();
    assert_eq!(seen.commands[1..], ["MAIL FROM:<apps@acme.example>", "RCPT TO:<ada@example.org>", "DATA"]);
    let [message] = &*seen.messages else { panic!("not one message: {seen:?}") };
    assert!(message.contains("\r\n..\r\nand goodbye"), "a line of one dot must be stuffed: {message}");
    assert!(message.contains(&message_id(&mail().idempotency_key, &mail().from.address)));
}

#[tokio::test]
async fn a_server_that_names_nothing_leaves_the_message_id_as_the_name() {
    let peer = Peer::plain(vec![Rule(None, ".", Say("250 accepted"))]).await;
    let outcome = provider(&plain(&peer)).send(&mail()).await;
    let id = message_id(&mail().idempotency_key, &mail().from.address);
    assert_eq!(outcome, SendOutcome::Sent { provider_id: Some(id) });
}

#[tokio::test]
async fn every_reply_at_every_stage_has_its_meaning() {
    let cases: &[(&str, Act, &str)] = &[
        ("greeting", Say("554 5.3.2 no service here"), "throttled"),
        ("greeting", Say("421 4.3.2 too busy"), "throttled"),
        ("EHLO", Say("550 5.7.1 go away"), "throttled"),
        ("MAIL", Say("421 4.7.0 slow down"), "throttled"),
        ("MAIL", Say("451 4.3.0 try again"), "transient"),
        ("MAIL", Say("454 Throttling failure: Maximum sending rate exceeded"), "throttled"),
        ("MAIL", Say("530 5.7.0 authentication required"), "throttled"),
        ("MAIL", Say("550 5.1.8 bad sender"), "throttled"),
        ("RCPT", Say("421 4.7.0 slow down"), "throttled"),
        ("RCPT", Say("450 4.2.0 greylisted"), "transient"),
        ("RCPT", Say("452 4.3.1 disk full"), "throttled"),
        ("RCPT", Say("550 5.1.1 no such user"), "permanent"),
        ("RCPT", Say("550-5.1.1 no such\r\n550 5.1.1 user"), "permanent"),
        ("DATA", Say("451 4.3.0 try again"), "transient"),
        ("DATA", Say("554 5.5.1 no valid recipients"), "permanent"),
        (".", Say("421 4.3.2 shutting down"), "throttled"),
        (".", Say("451 4.3.0 try again"), "transient"),
        (".", Say("454 4.7.0 Throttling failure"), "throttled"),
        (".", Say("552 5.3.4 too big"), "permanent"),
        (".", Say("554 5.7.1 spam"), "permanent"),
    ];
    for &(moment, act, expected) in cases {
        let peer = Peer::plain(vec![Rule(None, moment, act)]).await;
        let outcome = provider(&plain(&peer)).send(&mail()).await;
        assert_eq!(kind(&outcome), expected, "{act:?} at {moment}: {outcome:?}");
        assert_eq!(peer.seen().messages.len(), 0, "{act:?} at {moment}");
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_message_means_not_sent_and_after_it_unknown() {
    for (moment, expected) in [
        ("greeting", "throttled"),
        ("EHLO", "throttled"),
        ("MAIL", "transient"),
        ("RCPT", "transient"),
        ("DATA", "transient"),
        ("body", "unknown"),
        (".", "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, Close)]).await;
        let outcome = provider(&plain(&peer)).send(&mail()).await;
        assert_eq!(kind(&outcome), expected, "closed at {moment}: {outcome:?}");
    }
}

#[tokio::test]
async fn silence_before_the_message_means_not_sent_and_after_it_unknown() {
    for (moment, expected) in [
        ("greeting", "throttled"),
        ("EHLO", "throttled"),
        ("MAIL", "transient"),
        ("RCPT", "transient"),
        ("DATA", "transient"),
        ("body", "unknown"),
        (".", "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, Hang)]).await;
        let outcome = impatient(&plain(&peer)).send(&mail()).await;
        assert_eq!(kind(&outcome), expected, "silent at {moment}: {outcome:?}");
        assert!(reason(&outcome).contains("didn't answer within 250ms"), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_smtp_is_not_taken_for_a_yes() {
    for (moment, act, expected) in [
        ("greeting", Say("SSH-2.0-OpenSSH_9.9"), "throttled"),
        ("MAIL", Say("354 what?"), "transient"),
        ("DATA", Say("250 ok, done"), "transient"),
        (".", Say("354 more, please"), "unknown"),
        (".", Say("\u{0}\u{1}garbage"), "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, act)]).await;
        let outcome = provider(&plain(&peer)).send(&mail()).await;
        assert_eq!(kind(&outcome), expected, "{act:?} at {moment}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_uses_up_no_attempt() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = provider(&format!("smtp://127.0.0.1:{port}?tls=none")).send(&mail()).await;
    assert_eq!(kind(&refused), "throttled", "{refused:?}");
    let unknown_name = impatient("smtp://no-such-host.invalid?tls=none").send(&mail()).await;
    assert_eq!(kind(&unknown_name), "throttled", "{unknown_name:?}");
}

#[tokio::test]
async fn a_refused_password_uses_up_no_attempt_and_is_not_told() {
    let peer = Peer::plain(vec![Rule(None, "AUTH", Say("535 5.7.8 bad credentials"))]).await;
    let outcome = provider(&format!("smtp://ada:hunter2@127.0.0.1:{}?tls=none", peer.port)).send(&mail()).await;
    assert_eq!(kind(&outcome), "throttled");
    assert!(reason(&outcome).contains("while logging in") && !reason(&outcome).contains("hunter2"), "{outcome:?}");
    assert_eq!(peer.seen().count("MAIL"), 0);
}

#[tokio::test]
async fn required_tls_is_used_from_starttls_on_with_the_password_inside() {
    let peer = Peer::starttls(vec![]).await;
    let provider = provider(&format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port));
    let outcome = provider.send(&mail()).await;
    assert_eq!(kind(&outcome), "sent", "{outcome:?}");
    let seen = peer.seen();
    assert_eq!(seen.handshakes, 1);
    let words: Vec<_> = seen.commands.iter().map(|c| c.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]);
}

#[tokio::test]
async fn implicit_tls_is_used_from_the_first_byte() {
    let peer = Peer::implicit_tls(vec![]).await;
    let outcome = provider(&format!("smtps://localhost:{}", peer.port)).send(&mail()).await;
    assert_eq!(kind(&outcome), "sent", "{outcome:?}");
    assert_eq!(peer.seen().handshakes, 1);
}

#[tokio::test]
async fn required_tls_never_falls_back_to_clear_text() {
    let without = Peer::plain(vec![]).await;
    let refusing = Peer::starttls(vec![Rule(None, "STARTTLS", Say("454 4.7.0 TLS not available"))]).await;
    for peer in [&without, &refusing] {
        let url = format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port);
        let outcome = provider(&url).send(&mail()).await;
        assert_eq!(kind(&outcome), "throttled", "{outcome:?}");
        assert!(reason(&outcome).contains("while starting TLS"), "{outcome:?}");
        let seen = peer.seen();
        assert_eq!((seen.count("AUTH"), seen.count("MAIL")), (0, 0), "{seen:?}");
    }
}

#[tokio::test]
async fn opportunistic_tls_is_used_where_it_is_offered() {
    let offering = Peer::starttls(vec![]).await;
    let outcome = provider(&format!("smtp://localhost:{}", offering.port)).send(&mail()).await;
    assert_eq!((kind(&outcome), offering.seen().handshakes), ("sent", 1), "{outcome:?}");
    let plain = Peer::plain(vec![]).await;
    let outcome = provider(&format!("smtp://localhost:{}", plain.port)).send(&mail()).await;
    assert_eq!((kind(&outcome), plain.seen().handshakes), ("sent", 0), "{outcome:?}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() {
    for (peer, scheme) in [(Peer::starttls(vec![]).await, "smtp"), (Peer::implicit_tls(vec![]).await, "smtps")] {
        let url = format!("{scheme}://localhost:{}", peer.port);
        let outcome = SmtpProvider::new(SmtpSettings::new(url.parse().unwrap())).unwrap().send(&mail()).await;
        assert_eq!(kind(&outcome), "throttled", "{outcome:?}");
        assert!(reason(&outcome).contains("certificate"), "{outcome:?}");
        assert_eq!(peer.seen().count("MAIL"), 0);
    }
}

#[tokio::test]
async fn replies_injected_before_the_handshake_are_not_read_after_it() {
    let injected = Say("220 go ahead\r\n250-evil\r\n250 AUTH PLAIN");
    let peer = Peer::starttls(vec![Rule(None, "STARTTLS", injected)]).await;
    let outcome = provider(&format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port)).send(&mail()).await;
    assert_eq!(kind(&outcome), "throttled", "{outcome:?}");
    assert_eq!(peer.seen().count("AUTH"), 0);
}

#[tokio::test]
async fn the_next_mail_goes_over_the_same_connection() {
    let peer = Peer::plain(vec![]).await;
    let provider = provider(&plain(&peer));
    for _ in 0..3 {
        assert_eq!(kind(&provider.send(&mail()).await), "sent");
    }
    let seen = peer.seen();
    assert_eq!((seen.connections, seen.messages.len(), seen.count("RSET")), (1, 3, 2));
}

#[tokio::test]
async fn a_refused_recipient_does_not_spoil_the_connection_for_the_next_mail() {
    let peer = Peer::plain(vec![Rule(None, "RCPT", Say("550 5.1.1 no such user"))]).await;
    let provider = provider(&plain(&peer));
    for _ in 0..2 {
        assert_eq!(kind(&provider.send(&mail()).await), "permanent");
    }
    assert_eq!(peer.seen().connections, 1);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_gave_up_is_replaced_once() {
    for (moment, act) in [("RSET", Close), ("RSET", Say("421 4.4.2 idle too long")), ("RSET", Say("500 what?"))] {
        let peer = Peer::plain(vec![Rule(Some(1), moment, act)]).await;
        let provider = provider(&plain(&peer));
        assert_eq!(kind(&provider.send(&mail()).await), "sent");
        let outcome = provider.send(&mail()).await;
        assert_eq!(kind(&outcome), "sent", "{act:?}: {outcome:?}");
        assert_eq!(peer.seen().connections, 2, "{act:?}");
    }
    // When the fresh one fails as well, that is the answer.
    let rules = vec![Rule(Some(1), "RSET", Close), Rule(Some(2), "MAIL", Close)];
    let peer = Peer::plain(rules).await;
    let provider = provider(&plain(&peer));
    assert_eq!(kind(&provider.send(&mail()).await), "sent");
    assert_eq!(kind(&provider.send(&mail()).await), "transient");
    assert_eq!(peer.seen().connections, 2);
}

#[tokio::test]
async fn after_the_message_has_begun_nothing_is_tried_again_by_itself() {
    let peer = Peer::plain(vec![Rule(None, ".", Close)]).await;
    assert_eq!(kind(&provider(&plain(&peer)).send(&mail()).await), "unknown");
    assert_eq!((peer.seen().connections, peer.seen().count("DATA")), (1, 1));
}

#[tokio::test]
async fn a_connection_carries_only_so_many_mails() {
    let peer = Peer::plain(vec![]).await;
    let provider = SmtpProvider::new(SmtpSettings { max_mails: 2, ..settings(&plain(&peer)) }).unwrap();
    for _ in 0..4 {
        assert_eq!(kind(&provider.send(&mail()).await), "sent");
    }
    assert_eq!((peer.seen().connections, peer.seen().count("QUIT")), (2, 2));
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let peer = Peer::plain(vec![]).await;
    let provider = SmtpProvider::new(SmtpSettings { max_connections: 2, ..settings(&plain(&peer)) }).unwrap();
    let mail = mail();
    let outcomes = futures::future::join_all((0..20).map(|_| provider.send(&mail))).await;
    assert!(outcomes.iter().all(|outcome| kind(outcome) == "sent"), "{outcomes:?}");
    assert_eq!((peer.seen().connections, peer.seen().messages.len()), (2, 20));
}

#[tokio::test]
async fn a_mail_for_which_no_connection_comes_free_waits_in_its_queue() {
    let peer = Peer::plain(vec![Rule(None, ".", Hang)]).await;
    let mut settings = settings(&plain(&peer));
    settings.max_connections = 1;
    settings.timeouts.connect = Duration::from_millis(100);
    settings.timeouts.after_data = Duration::from_millis(600);
    let provider = SmtpProvider::new(settings).unwrap();
    let mail = mail();
    let (first, second) = futures::join!(provider.send(&mail), provider.send(&mail));
    assert_eq!((kind(&first), kind(&second)), ("unknown", "throttled"));
    assert!(reason(&second).contains("all connections are busy"), "{second:?}");
}

#[tokio::test]
async fn a_mail_that_can_not_be_written_is_refused_before_anything_is_sent() {
    let peer = Peer::plain(vec![]).await;
    let bad = Mail { subject: "Hello\r\nBcc: eve@example.org".into(), ..mail() };
    assert_eq!(kind(&provider(&plain(&peer)).send(&bad).await), "permanent");
    assert_eq!(peer.seen().connections, 0);
}
