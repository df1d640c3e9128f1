//! What the server says, and when it says nothing.

use tokio::net::TcpSocket;

use super::{impatient, kind, mail, plain, provider, reason};
use crate::SendOutcome;
use crate::channels::Provider as _;
use crate::channels::email::{
    Mail, message_id,
    scripted_peer::{
        Act::{self, Close, Hang, Say},
        Peer, Rule,
    },
};

#[tokio::test]
async fn a_mail_that_the_server_takes_is_sent_and_has_the_servers_name_for_it() {
    let peer = Peer::plain(vec![]).await;
    let outcome = provider(&plain(&peer)).send(&mail(), None).await;
    assert_eq!(outcome, SendOutcome::Sent { provider: Some("smtp".into()), provider_id: Some("queued as Q1".into()) });
    let seen = peer.seen();
    assert_eq!(seen.commands[1..], ["MAIL FROM:<apps@acme.example>", "RCPT TO:<ada@example.org>", "DATA"]);
    let [message] = &*seen.messages else { panic!("not one message: {seen:?}") };
    assert!(message.contains("\r\n..\r\nand goodbye"), "a line of one dot must be stuffed: {message}");
    assert!(message.contains(&message_id(&mail().idempotency_key, &mail().from.address)));
}

#[tokio::test]
async fn a_server_that_names_nothing_leaves_the_message_id_as_the_name() {
    let peer = Peer::plain(vec![Rule(None, ".", Say("250 accepted"))]).await;
    let outcome = provider(&plain(&peer)).send(&mail(), None).await;
    let id = message_id(&mail().idempotency_key, &mail().from.address);
    assert_eq!(outcome, SendOutcome::Sent { provider: Some("smtp".into()), provider_id: Some(id) });
}

#[tokio::test]
async fn every_reply_at_every_stage_has_its_meaning() {
    let cases: &[(&str, Act, &str)] = &[
        ("greeting", Say("554 5.3.2 no service here"), "unavailable"),
        ("greeting", Say("421 4.3.2 too busy"), "throttled"),
        ("EHLO", Say("550 5.7.1 go away"), "unavailable"),
        ("MAIL", Say("421 4.7.0 slow down"), "throttled"),
        ("MAIL", Say("451 4.3.0 try again"), "transient"),
        ("MAIL", Say("454 Throttling failure: Maximum sending rate exceeded"), "throttled"),
        ("MAIL", Say("530 5.7.0 authentication required"), "unavailable"),
        ("MAIL", Say("550 5.1.8 bad sender"), "unavailable"),
        ("RCPT", Say("421 4.7.0 slow down"), "throttled"),
        ("RCPT", Say("450 4.2.0 greylisted"), "transient"),
        ("RCPT", Say("452 4.3.1 disk full"), "throttled"),
        ("RCPT", Say("550 5.1.1 no such user"), "gone"),
        ("RCPT", Say("550-5.1.1 no such\r\n550 5.1.1 user"), "gone"),
        ("RCPT", Say("550 no such user"), "permanent"),
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
        let outcome = provider(&plain(&peer)).send(&mail(), None).await;
        assert_eq!(kind(&outcome), expected, "{act:?} at {moment}: {outcome:?}");
        assert_eq!(peer.seen().messages.len(), 0, "{act:?} at {moment}");
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_message_means_not_sent_and_after_it_unknown() {
    for (moment, expected) in [
        ("greeting", "unavailable"),
        ("EHLO", "unavailable"),
        ("MAIL", "transient"),
        ("RCPT", "transient"),
        ("DATA", "transient"),
        ("body", "unknown"),
        (".", "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, Close)]).await;
        let outcome = provider(&plain(&peer)).send(&mail(), None).await;
        assert_eq!(kind(&outcome), expected, "closed at {moment}: {outcome:?}");
    }
}

#[tokio::test]
async fn silence_before_the_message_means_not_sent_and_after_it_unknown() {
    for (moment, expected) in [
        ("greeting", "unavailable"),
        ("EHLO", "unavailable"),
        ("MAIL", "transient"),
        ("RCPT", "transient"),
        ("DATA", "transient"),
        ("body", "unknown"),
        (".", "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, Hang)]).await;
        let outcome = impatient(&plain(&peer)).send(&mail(), None).await;
        assert_eq!(kind(&outcome), expected, "silent at {moment}: {outcome:?}");
        assert!(reason(&outcome).contains("didn't answer within 250ms"), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_no_smtp_is_not_taken_for_a_yes() {
    for (moment, act, expected) in [
        ("greeting", Say("SSH-2.0-OpenSSH_9.9"), "unavailable"),
        ("MAIL", Say("354 what?"), "transient"),
        ("DATA", Say("250 ok, done"), "transient"),
        (".", Say("354 more, please"), "unknown"),
        (".", Say("\u{0}\u{1}garbage"), "unknown"),
    ] {
        let peer = Peer::plain(vec![Rule(None, moment, act)]).await;
        let outcome = provider(&plain(&peer)).send(&mail(), None).await;
        assert_eq!(kind(&outcome), expected, "{act:?} at {moment}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_uses_up_no_attempt() {
    // Taken, so that nobody else listens there meanwhile.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = provider(&format!("smtp://127.0.0.1:{port}?tls=none")).send(&mail(), None).await;
    assert_eq!(kind(&refused), "unavailable", "{refused:?}");
    let unknown_name = impatient("smtp://no-such-host.invalid?tls=none").send(&mail(), None).await;
    assert_eq!(kind(&unknown_name), "unavailable", "{unknown_name:?}");
}

#[tokio::test]
async fn a_refused_password_uses_up_no_attempt_and_is_not_told() {
    let peer = Peer::plain(vec![Rule(None, "AUTH", Say("535 5.7.8 bad credentials"))]).await;
    let outcome = provider(&format!("smtp://ada:hunter2@127.0.0.1:{}?tls=none", peer.port)).send(&mail(), None).await;
    assert_eq!(kind(&outcome), "unavailable");
    assert!(reason(&outcome).contains("while logging in") && !reason(&outcome).contains("hunter2"), "{outcome:?}");
    assert_eq!(peer.seen().count("MAIL"), 0);
}

#[tokio::test]
async fn a_mail_that_can_not_be_written_is_refused_before_anything_is_sent() {
    let peer = Peer::plain(vec![]).await;
    let bad = Mail { subject: "Hello\r\nBcc: eve@example.org".into(), ..mail() };
    assert_eq!(kind(&provider(&plain(&peer)).send(&bad, None).await), "permanent");
    assert_eq!(peer.seen().connections, 0);
}
