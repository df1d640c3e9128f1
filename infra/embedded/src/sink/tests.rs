//! The sink over real sockets, by good clients and bad ones.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use sendoff_consumers::{
    SendOutcome, Stop, Stopper,
    channels::email::{EmailProvider, Mail, SmtpProvider, SmtpSettings},
};
use sendoff_events::{Clock, Personal};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::{Mailbox, MailboxError, SinkLimits, SmtpSink};
use crate::{SystemClock, SystemRng};

/// Nothing that a test waits for takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    data: TempDir,
    port: u16,
    stopper: Stopper,
    running: JoinHandle<()>,
}

impl Running {
    async fn start(limits: SinkLimits) -> Self {
        let data = TempDir::new().unwrap();
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let sink = SmtpSink::bind(Mailbox::of(data.path()), limits, clock, rng).await.unwrap();
        let port = sink.address().port();
        let (stopper, stop) = Stop::pair();
        Self { data, port, stopper, running: tokio::spawn(sink.run(stop)) }
    }

    async fn with_defaults() -> Self {
        Self::start(SinkLimits::default()).await
    }

    fn mailbox(&self) -> Mailbox {
        Mailbox::of(self.data.path())
    }

    async fn connect(&self) -> Client {
        let mut client = Client(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()));
        client.expect("220").await;
        client
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn write(&mut self, bytes: &[u8]) {
        timeout(DEADLINE, self.0.get_mut().write_all(bytes)).await.unwrap().unwrap();
    }

    /// The next reply, all its lines; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            // A reset after the last word is an end as well.
            let read = timeout(DEADLINE, self.0.read_line(&mut reply)).await.unwrap().unwrap_or(0);
            if read == 0 || reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    }

    async fn expect(&mut self, code: &str) -> String {
        let reply = self.reply().await;
        assert!(reply.starts_with(code), "{code} expected, not {reply:?}");
        reply
    }

    async fn say(&mut self, line: &str, code: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.expect(code).await
    }

    async fn begin(&mut self) {
        self.say("EHLO test", "250").await;
        self.say("MAIL FROM:<apps@acme.example>", "250").await;
        self.say("RCPT TO:<ada@example.org>", "250").await;
        self.say("DATA", "354").await;
    }

    async fn ends(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(DEADLINE, self.0.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "nothing may follow the goodbye");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

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
    let SendOutcome::Sent { provider_id: Some(id) } = provider.send(&mail).await else { panic!("not sent") };
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
    assert!(matches!(sink.mailbox().read(&mails[0].id[..4]), Err(MailboxError::Ambiguous { count: 3, .. })));
    assert!(matches!(sink.mailbox().read("../../etc/passwd"), Err(MailboxError::NotFound(_))));
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
async fn a_message_that_is_cut_off_leaves_nothing_behind() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.begin().await;
    client.write(b"Subject: half\r\n\r\nHel").await;
    drop(client);
    // The next conversation comes to its end, so the first has been dealt with or never will be.
    let mut client = sink.connect().await;
    client.say("QUIT", "221").await;
    assert_eq!(files(&sink.data.path().join("mail")), [""; 0]);
}

#[tokio::test]
async fn binary_noise_is_answered_and_harms_nobody() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    client.write(&(0..=255).chain(*b"\r\n").collect::<Vec<u8>>()).await;
    // A line feed and a carriage return stand in the middle: two lines.
    client.expect("500").await;
    client.expect("500").await;
    client.begin().await;
    client.write(b"\x00\xff\xfe no header \x00\r\n\r\n\x80\x81\r\n.\r\n").await;
    client.expect("250").await;
    let mails = sink.mailbox().list().unwrap();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, ["ada@example.org".to_owned()].as_slice()));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_refused_and_the_client_may_go_on() {
    let sink = Running::with_defaults().await;
    let mut client = sink.connect().await;
    let line = vec![b'x'; 10 * 1024 * 1024];
    client.write(&line).await;
    client.say("", "500").await;
    client.begin().await;
    client.write(&line).await;
    client.say("\r\n.", "554").await;
    client.begin().await;
    client.say("Subject: after\r\n\r\n.", "250").await;
    assert_eq!(sink.mailbox().list().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_one_without_end_is_cut_off() {
    let sink = Running::start(SinkLimits { message: 10_000, ..SinkLimits::default() }).await;
    let mut client = sink.connect().await;
    client.begin().await;
    client.say(&format!("{}.", "0123456789\r\n".repeat(1000)), "552").await;
    client.begin().await;
    let mut endless = sink.connect().await;
    endless.begin().await;
    let lines = "0123456789\r\n".repeat(1000);
    let mut sent = 0;
    while timeout(DEADLINE, endless.0.get_mut().write_all(lines.as_bytes())).await.unwrap().is_ok() {
        sent += lines.len();
        assert!(sent < 100_000_000, "the sink takes whatever comes");
    }
    client.say("Subject: small\r\n\r\n.", "250").await;
    assert_eq!(sink.mailbox().list().unwrap().len(), 1);
}

#[tokio::test]
async fn one_client_too_many_is_sent_away_and_the_others_are_served() {
    let sink = Running::start(SinkLimits { connections: 1, ..SinkLimits::default() }).await;
    let mut first = sink.connect().await;
    let stream = TcpStream::connect(("127.0.0.1", sink.port)).await.unwrap();
    let mut second = Client(BufReader::new(stream));
    second.expect("421").await;
    second.ends().await;
    first.say("QUIT", "221").await;
    first.ends().await;
}

#[tokio::test]
async fn a_silent_client_is_hung_up_on() {
    let short = Duration::from_millis(100);
    let sink = Running::start(SinkLimits { idle: short, ..SinkLimits::default() }).await;
    let mut silent = sink.connect().await;
    silent.expect("421 4.4.2").await;
    silent.ends().await;
    let sink = Running::start(SinkLimits { message_time: short, ..SinkLimits::default() }).await;
    let mut slow = sink.connect().await;
    slow.begin().await;
    slow.write(b"Subject: ").await;
    slow.expect("421 4.4.2").await;
    assert_eq!(sink.mailbox().list().unwrap(), []);
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
