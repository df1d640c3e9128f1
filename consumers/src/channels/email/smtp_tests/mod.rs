//! The provider against peers that do every wrong thing at every stage.

mod connections;
mod replies;
mod tls;

use std::time::Duration;

use sendoff_events::Personal;

use super::{
    Mail, SmtpProvider, SmtpSettings,
    scripted_peer::{CERTIFICATE, Peer},
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
        SendOutcome::NotSent(NotSent::Gone { .. }) => "gone",
        SendOutcome::NotSent(NotSent::Throttled { .. }) => "throttled",
        SendOutcome::NotSent(NotSent::NotYet { .. }) => "not yet",
        SendOutcome::NotSent(NotSent::Unavailable { .. }) => "unavailable",
        SendOutcome::Unknown { .. } => "unknown",
    }
}

fn reason(outcome: &SendOutcome) -> &str {
    match outcome {
        SendOutcome::NotSent(
            NotSent::Permanent { reason }
            | NotSent::Gone { reason }
            | NotSent::Transient { reason }
            | NotSent::Throttled { reason, .. }
            | NotSent::NotYet { reason, .. }
            | NotSent::Unavailable { reason, .. },
        )
        | SendOutcome::Skipped { reason }
        | SendOutcome::Unknown { reason, .. } => reason,
        SendOutcome::Sent { .. } => "",
    }
}
