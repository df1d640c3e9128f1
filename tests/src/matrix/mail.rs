//! Mail: a real SMTP server that fails as it is told.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use sendoff_consumers::channels::email::{Mail, Sender, SmtpProvider, SmtpSettings};
use sendoff_events::{Personal, Timestamp};

use super::{
    Cell, End, Lasts, OnDoubt,
    drive::{drive, guarded},
};
use crate::{conformance::WarpClock, servers::ScriptedMail};

const FAULTS: [&str; 14] = [
    "ok",
    "mail 421 4.3.2 closing",
    "mail 550 5.1.8 bad sender",
    "drop at mail",
    "rcpt 450 4.2.0 greylisted",
    "rcpt 550 5.1.1 no such user",
    "data 451 4.2.2 mailbox full",
    "data 452 4.3.1 disk full",
    "data 421 4.3.2 shutting down",
    "data 554 5.7.1 spam",
    "drop before taking",
    "drop after taking",
    "hang before taking",
    "hang after taking",
];

/// A mail in doubt whose server is away for a while, and then takes mails again.
const AWAY: &str = "drop after taking, then 421 three times";

/// What the server does with the mails of one sender.
fn plan(fault: &'static str, lasts: Lasts) -> Vec<&'static str> {
    match (fault, lasts) {
        (AWAY, _) => [&["drop after taking"][..], &["mail 421 4.3.2 closing"; 3], &["ok"]].concat(),
        (_, Lasts::Once) => vec![fault, "ok"],
        (_, Lasts::Always) => vec![fault],
    }
}

/// Every cell of the channel.
pub(super) async fn cells() -> Vec<Cell> {
    let lasting = FAULTS.iter().flat_map(|fault| [(*fault, Lasts::Once), (*fault, Lasts::Always)]);
    let mut cases = Vec::new();
    for (fault, lasts) in lasting.chain([(AWAY, Lasts::Once)]) {
        for on_doubt in [OnDoubt::Hold, OnDoubt::Resend] {
            cases.push((format!("case-{}@example.org", cases.len()), fault, lasts, on_doubt));
        }
    }
    let plans = cases.iter().map(|(sender, fault, lasts, _)| (sender.clone(), plan(fault, *lasts))).collect();
    let server =
        tokio::task::spawn_blocking(move || ScriptedMail::start(&plans)).await.expect("the mail server starts");
    join_all(cases.into_iter().map(|(sender, fault, lasts, on_doubt)| {
        let server = &server;
        async move {
            let (key, end) = send(server, &sender, on_doubt).await;
            let taken = server.taken(&sender);
            assert!(taken.iter().all(|taken| *taken == key), "a mail came under another key: {taken:?}");
            Cell { channel: "email (smtp)", fault: fault.to_owned(), lasts, on_doubt, taken: taken.len(), end }
        }
    }))
    .await
}

async fn send(server: &ScriptedMail, sender: &str, on_doubt: OnDoubt) -> (String, End) {
    let mut settings = SmtpSettings::new(server.url("smtp").parse().expect("its address"));
    settings.timeouts.after_data = Duration::from_millis(1500);
    let clock = WarpClock::new();
    let provider = guarded(SmtpProvider::new(settings), &clock);
    let from: Sender = sender.parse().expect("a sender");
    let mail = move |idempotency_key| Mail {
        to: Personal::new("ada@example.org".parse().expect("an address")),
        from: from.clone(),
        reply_to: None,
        subject: "Hello".into(),
        html: "<p>Hello</p>".into(),
        text: "Hello".into(),
        idempotency_key,
        date: Timestamp::UNIX_EPOCH,
        list_unsubscribe: None,
    };
    drive(provider, Arc::new(mail), on_doubt, &clock).await
}
