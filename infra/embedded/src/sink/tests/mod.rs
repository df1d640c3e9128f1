//! The sink over real sockets, by good clients and bad ones.

mod good_clients;
mod hostile_clients;
mod http_clients;

use sendoff_host::{SystemClock, SystemRng};
use std::{path::Path, sync::Arc, time::Duration};

use sendoff_consumers::{Stop, Stopper};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use super::{Mailbox, SinkLimits, SmtpSink};

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
