//! Encryption: never less than was asked for.

use super::{kind, mail, provider, reason};
use crate::channels::Provider as _;
use crate::channels::email::{
    SmtpProvider, SmtpSettings,
    scripted_peer::{Act::Say, Peer, Rule},
};

#[tokio::test]
async fn required_tls_is_used_from_starttls_on_with_the_password_inside() {
    let peer = Peer::starttls(vec![]).await;
    let provider = provider(&format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port));
    let outcome = provider.send(&mail(), None).await;
    assert_eq!(kind(&outcome), "sent", "{outcome:?}");
    let seen = peer.seen();
    assert_eq!(seen.handshakes, 1);
    let words: Vec<_> = seen.commands.iter().map(|c| c.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]);
}

#[tokio::test]
async fn implicit_tls_is_used_from_the_first_byte() {
    let peer = Peer::implicit_tls(vec![]).await;
    let outcome = provider(&format!("smtps://localhost:{}", peer.port)).send(&mail(), None).await;
    assert_eq!(kind(&outcome), "sent", "{outcome:?}");
    assert_eq!(peer.seen().handshakes, 1);
}

#[tokio::test]
async fn required_tls_never_falls_back_to_clear_text() {
    let without = Peer::plain(vec![]).await;
    let refusing = Peer::starttls(vec![Rule(None, "STARTTLS", Say("454 4.7.0 TLS not available"))]).await;
    for peer in [&without, &refusing] {
        let url = format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port);
        let outcome = provider(&url).send(&mail(), None).await;
        assert_eq!(kind(&outcome), "unavailable", "{outcome:?}");
        assert!(reason(&outcome).contains("while starting TLS"), "{outcome:?}");
        let seen = peer.seen();
        assert_eq!((seen.count("AUTH"), seen.count("MAIL")), (0, 0), "{seen:?}");
    }
}

#[tokio::test]
async fn opportunistic_tls_is_used_where_it_is_offered() {
    let offering = Peer::starttls(vec![]).await;
    let outcome = provider(&format!("smtp://localhost:{}", offering.port)).send(&mail(), None).await;
    assert_eq!((kind(&outcome), offering.seen().handshakes), ("sent", 1), "{outcome:?}");
    let plain = Peer::plain(vec![]).await;
    let outcome = provider(&format!("smtp://localhost:{}", plain.port)).send(&mail(), None).await;
    assert_eq!((kind(&outcome), plain.seen().handshakes), ("sent", 0), "{outcome:?}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() {
    for (peer, scheme) in [(Peer::starttls(vec![]).await, "smtp"), (Peer::implicit_tls(vec![]).await, "smtps")] {
        let url = format!("{scheme}://localhost:{}", peer.port);
        let outcome = SmtpProvider::new(SmtpSettings::new(url.parse().unwrap())).unwrap().send(&mail(), None).await;
        assert_eq!(kind(&outcome), "unavailable", "{outcome:?}");
        assert!(reason(&outcome).contains("certificate"), "{outcome:?}");
        assert_eq!(peer.seen().count("MAIL"), 0);
    }
}

#[tokio::test]
async fn replies_injected_before_the_handshake_are_not_read_after_it() {
    let injected = Say("220 go ahead\r\n250-evil\r\n250 AUTH PLAIN");
    let peer = Peer::starttls(vec![Rule(None, "STARTTLS", injected)]).await;
    let outcome = provider(&format!("smtp+starttls://ada:hunter2@localhost:{}", peer.port)).send(&mail(), None).await;
    assert_eq!(kind(&outcome), "unavailable", "{outcome:?}");
    assert_eq!(peer.seen().count("AUTH"), 0);
}
