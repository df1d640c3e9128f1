use std::{os::unix::fs::PermissionsExt, path::Path};

use sendoff_consumers::{
    SendOutcome,
    channels::{
        Provider as _,
        email::{Mail, SmtpProvider, SmtpSettings},
    },
};
use sendoff_events::{Clock, Personal};
use sendoff_host::SystemClock;
use tokio::time::timeout;

use super::{DEADLINE, Running, files};
use crate::sink::{Mailbox, ShelfError};

#[tokio::test]
async fn a_mail_from_our_own_provider_arrives_as_it_was_written() {
    let sink = Running::with_defaults().await;
    let url = format!("smtp://127.0.0.1:{}?tls=none", sink.port);
    let provider = SmtpProvider::new(SmtpSettings::new(url.parse().unwrap())).unwrap();
    let mail = Mail {
        to: Personal::new("ada@example.org".parse().unwrap()),
        from: "Acme <apps@acme.example>".parse().unwrap(),
        reply_to: None,
        subject: "Grüße an Ada".into(),
        html: "<p>Grüße</p>".into(),
        text: "Grüße\n.\n..\nEnde".into(),
        idempotency_key: "email/1/ada".into(),
        date: "2026-11-24T12:00:00Z".parse().unwrap(),
        list_unsubscribe: None,
    };
    let SendOutcome::Sent { provider_id: Some(id), .. } = provider.send(&mail, None).await else { panic!("not sent") };
    let mails = sink.mailbox().list().unwrap();
    let [received] = &*mails else { panic!("{mails:?}") };
    assert!(id.contains(&received.id), "{id} names {}", received.id);
    assert_eq!((&*received.subject, &*received.from), ("Grüße an Ada", "apps@acme.example"));
    assert_eq!(received.to, ["ada@example.org"]);
    assert_eq!(received.text.replace("\r\n", "\n").trim_end(), "Grüße\n.\n..\nEnde");
    assert_eq!(received.html.as_deref().map(str::trim_end), Some("<p>Grüße</p>"));
    assert_eq!(&sink.mailbox().read(&received.id[..30]).unwrap(), received);
}

#[tokio::test]
async fn mails_are_listed_in_order_and_found_by_the_beginning_of_their_id() {
    let sink = Running::with_defaults().await;
    assert_eq!(sink.mailbox().list().unwrap(), []);
    let mut client = sink.connect().await;
    for number in 1..=3 {
        client.begin().await;
        client.say(&format!("Subject: {number}\r\n\r\nHello {number}\r\n."), "250").await;
        // Ids sort by the millisecond.
        let now = || SystemClock.now().as_millisecond();
        let then = now();
        while now() == then {
            tokio::task::yield_now().await;
        }
    }
    let mails = sink.mailbox().list().unwrap();
    assert_eq!(mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(mails.is_sorted_by_key(|mail| mail.received_at));
    assert_eq!(mails[0].size, "Subject: 1\r\n\r\nHello 1\r\n".len() as u64);
    assert_eq!(mails[0].html, None);
    assert!(matches!(sink.mailbox().read(&mails[0].id[..4]), Err(ShelfError::Ambiguous { count: 3, .. })));
    assert!(matches!(sink.mailbox().read("../../etc/passwd"), Err(ShelfError::NotFound { .. })));
}

#[tokio::test]
async fn what_was_said_yes_to_is_on_the_disk_for_its_owner_alone() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.begin().await;
    client.say("Subject: x\r\n\r\nHello\r\n.", "250").await;
    let folder = sink.data.path().join("mail");
    let [file] = &*files(&folder) else { panic!("not one file") };
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(file))), (0o700, 0o600));
    let stored = std::fs::read_to_string(folder.join(file)).unwrap();
    let head = "X-Envelope-From: <apps@acme.example>\r\nX-Envelope-To: <ada@example.org>\r\nX-Sendoff-Received: at ";
    assert!(stored.starts_with(head) && stored.ends_with("Subject: x\r\n\r\nHello\r\n"), "{stored}");
}

#[tokio::test]
async fn a_mail_that_can_not_be_stored_is_not_said_yes_to() {
    let sink = Running::with_defaults().await;
    std::fs::write(sink.data.path().join("mail"), "a file where the folder should be").unwrap();
    let mut client = sink.connect().await;
    client.begin().await;
    client.say("Subject: x\r\n\r\nHello\r\n.", "452").await;
    client.say("NOOP", "250").await;
}

#[tokio::test]
async fn commands_may_come_all_at_once() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.write(b"EHLO test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n").await;
    for code in ["250", "250", "250", "250", "354"] {
        client.expect(code).await;
    }
    client.write(b"Subject: x\r\n\r\n..\r\n.\r\nMAIL FROM:<a@b>\r\nRSET\r\nQUIT\r\n").await;
    for code in ["250", "250", "250", "221"] {
        client.expect(code).await;
    }
    client.ends().await;
    let mails = sink.mailbox().list().unwrap();
    assert_eq!((mails[0].to.join(" "), mails[0].text.trim_end()), ("c@d e@f".into(), "."));
}

#[tokio::test]
async fn a_stop_lets_a_message_on_its_way_arrive_and_ends_the_rest() {
    let sink = Running::with_defaults().await;
    let (mut idle, mut busy) = (sink.connect().await, sink.connect().await);
    busy.begin().await;
    busy.write(b"Subject: last\r\n\r\nHel").await;
    let Running { data, stopper, running, .. } = sink;
    stopper.stop();
    idle.expect("421 4.3.2").await;
    busy.write(b"lo\r\n.\r\n").await;
    busy.expect("250").await;
    busy.expect("421 4.3.2").await;
    timeout(DEADLINE, running).await.unwrap().unwrap();
    assert_eq!(Mailbox::of(data.path()).list().unwrap()[0].text.trim_end(), "Hello");
}
