//! How connections are kept, shared and given up.

use std::time::Duration;

use super::{kind, mail, plain, provider, reason, settings};
use crate::channels::Provider as _;
use crate::channels::email::{
    SmtpProvider, SmtpSettings, SmtpSettingsError,
    scripted_peer::{
        Act::{Close, Hang, Say},
        Peer, Rule,
    },
};

#[tokio::test]
async fn the_next_mail_goes_over_the_same_connection() {
    let peer = Peer::plain(vec![]).await;
    let provider = provider(&plain(&peer));
    for _ in 0..3 {
        assert_eq!(kind(&provider.send(&mail(), None).await), "sent");
    }
    let seen = peer.seen();
    assert_eq!((seen.connections, seen.messages.len(), seen.count("RSET")), (1, 3, 2));
}

#[tokio::test]
async fn a_refused_recipient_does_not_spoil_the_connection_for_the_next_mail() {
    let peer = Peer::plain(vec![Rule(None, "RCPT", Say("550 5.1.1 no such user"))]).await;
    let provider = provider(&plain(&peer));
    for _ in 0..2 {
        assert_eq!(kind(&provider.send(&mail(), None).await), "gone");
    }
    assert_eq!(peer.seen().connections, 1);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_gave_up_is_replaced_once() {
    for (moment, act) in [("RSET", Close), ("RSET", Say("421 4.4.2 idle too long")), ("RSET", Say("500 what?"))] {
        let peer = Peer::plain(vec![Rule(Some(1), moment, act)]).await;
        let provider = provider(&plain(&peer));
        assert_eq!(kind(&provider.send(&mail(), None).await), "sent");
        let outcome = provider.send(&mail(), None).await;
        assert_eq!(kind(&outcome), "sent", "{act:?}: {outcome:?}");
        assert_eq!(peer.seen().connections, 2, "{act:?}");
    }
    // When the fresh one fails as well, that is the answer.
    let rules = vec![Rule(Some(1), "RSET", Close), Rule(Some(2), "MAIL", Close)];
    let peer = Peer::plain(rules).await;
    let provider = provider(&plain(&peer));
    assert_eq!(kind(&provider.send(&mail(), None).await), "sent");
    assert_eq!(kind(&provider.send(&mail(), None).await), "transient");
    assert_eq!(peer.seen().connections, 2);
}

#[tokio::test]
async fn after_the_message_has_begun_nothing_is_tried_again_by_itself() {
    let peer = Peer::plain(vec![Rule(None, ".", Close)]).await;
    assert_eq!(kind(&provider(&plain(&peer)).send(&mail(), None).await), "unknown");
    assert_eq!((peer.seen().connections, peer.seen().count("DATA")), (1, 1));
}

#[tokio::test]
async fn a_connection_carries_only_so_many_mails() {
    let peer = Peer::plain(vec![]).await;
    let provider = SmtpProvider::new(SmtpSettings { max_mails: 2, ..settings(&plain(&peer)) }).unwrap();
    for _ in 0..4 {
        assert_eq!(kind(&provider.send(&mail(), None).await), "sent");
    }
    assert_eq!((peer.seen().connections, peer.seen().count("QUIT")), (2, 2));
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let peer = Peer::plain(vec![]).await;
    let provider = SmtpProvider::new(SmtpSettings { max_connections: 2, ..settings(&plain(&peer)) }).unwrap();
    let mail = mail();
    let outcomes = futures::future::join_all((0..20).map(|_| provider.send(&mail, None))).await;
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
    let (first, second) = futures::join!(provider.send(&mail, None), provider.send(&mail, None));
    assert_eq!((kind(&first), kind(&second)), ("unknown", "throttled"));
    assert!(reason(&second).contains("all connections to the mail server are busy"), "{second:?}");
}

#[tokio::test]
async fn the_server_is_greeted_by_the_name_that_was_set_if_it_is_one() {
    let peer = Peer::plain(vec![]).await;
    let greeting = |name: &str| SmtpSettings { hello: Some(name.into()), ..settings(&plain(&peer)) };
    let provider = SmtpProvider::new(greeting("mail.acme.example")).unwrap();
    assert_eq!(kind(&provider.send(&mail(), None).await), "sent");
    assert_eq!(peer.seen().commands[0], "EHLO mail.acme.example");
    for bad in ["", "acme example", "acme\r\nMAIL FROM:<eve@example.org>"] {
        let error = SmtpProvider::new(greeting(bad)).unwrap_err();
        assert!(matches!(error, SmtpSettingsError::Hello(_)), "{error}");
    }
    let unreadable = SmtpSettings { root_certificates: vec![b"no certificate".to_vec()], ..settings(&plain(&peer)) };
    let error = SmtpProvider::new(unreadable).unwrap_err();
    assert!(matches!(error, SmtpSettingsError::Tls { .. }), "{error}");
}
