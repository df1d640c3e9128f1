//! An SMTP server that does what a test tells it, over real sockets.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, crypto,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

pub(super) const CERTIFICATE: &[u8] = include_bytes!("testdata/localhost.cert.pem");
const KEY: &[u8] = include_bytes!("testdata/localhost.key.pem");

/// What the peer does instead of answering as a good server would.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Says this.
    Say(&'static str),
    /// Closes the connection without a word.
    Close,
    /// Never answers.
    Hang,
}

/// A deviation: at this moment, on the connection of this number (from 1) or on all.
///
/// Moments are `greeting`, the commands by their first word, `body` (the message is about to come) and `.` (it has come).
pub(super) struct Rule(pub(super) Option<usize>, pub(super) &'static str, pub(super) Act);

/// What the peer has seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    pub(super) connections: usize,
    /// All command lines, of all connections.
    pub(super) commands: Vec<String>,
    /// The messages it took, still dot-stuffed.
    pub(super) messages: Vec<String>,
    pub(super) handshakes: usize,
}

impl Seen {
    pub(super) fn count(&self, command: &str) -> usize {
        self.commands.iter().filter(|line| line.starts_with(command)).count()
    }
}

#[derive(Clone)]
struct Script {
    rules: Arc<Vec<Rule>>,
    seen: Arc<Mutex<Seen>>,
    tls: TlsAcceptor,
    offers_starttls: bool,
}

pub(super) struct Peer {
    pub(super) port: u16,
    seen: Arc<Mutex<Seen>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Peer {
    /// A server without encryption.
    pub(super) async fn plain(rules: Vec<Rule>) -> Self {
        Self::start(rules, false, false).await
    }

    /// A server that offers STARTTLS.
    pub(super) async fn starttls(rules: Vec<Rule>) -> Self {
        Self::start(rules, true, false).await
    }

    /// A server that speaks TLS from the first byte.
    pub(super) async fn implicit_tls(rules: Vec<Rule>) -> Self {
        Self::start(rules, false, true).await
    }

    async fn start(rules: Vec<Rule>, offers_starttls: bool, implicit: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let script = Script { rules: Arc::new(rules), seen: seen.clone(), tls: acceptor(), offers_starttls };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut seen = script.seen.lock().unwrap();
                    seen.connections += 1;
                    seen.connections
                };
                let script = script.clone();
                tokio::spawn(async move { script.serve(number, stream, implicit).await });
            }
        });
        Self { port, seen }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl Script {
    fn act(&self, connection: usize, moment: &str) -> Option<Act> {
        let fits = |rule: &&Rule| rule.1 == moment && rule.0.is_none_or(|number| number == connection);
        self.rules.iter().find(fits).map(|rule| rule.2)
    }

    /// `None` at the end of the connection.
    async fn serve(&self, number: usize, stream: TcpStream, implicit: bool) -> Option<()> {
        let mut stream: Box<dyn Stream> = Box::new(stream);
        if implicit {
            stream = self.encrypt(stream).await?;
        }
        let mut stream = BufReader::new(stream);
        self.answer(number, "greeting", "220 peer ready", &mut stream).await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.seen.lock().unwrap().commands.push(line.clone());
            let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            match &*word {
                "EHLO" => {
                    let starttls = "250-peer\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS";
                    let plain = "250-peer\r\n250 AUTH PLAIN LOGIN";
                    let good = if self.offers_starttls { starttls } else { plain };
                    self.answer(number, "EHLO", good, &mut stream).await?;
                }
                "STARTTLS" => {
                    self.answer(number, "STARTTLS", "220 go ahead", &mut stream).await?;
                    stream = BufReader::new(self.encrypt(stream.into_inner()).await?);
                }
                "AUTH" => {
                    self.answer(number, "AUTH", "235 2.7.0 welcome", &mut stream).await?;
                }
                "DATA" => {
                    if self.answer(number, "DATA", "354 go ahead", &mut stream).await? == "354 go ahead" {
                        self.take_message(number, &mut stream).await?;
                    }
                }
                "QUIT" => return None,
                _ => {
                    self.answer(number, &word, "250 2.0.0 ok", &mut stream).await?;
                }
            }
        }
    }

    async fn take_message(&self, number: usize, stream: &mut BufReader<Box<dyn Stream>>) -> Option<()> {
        if let Some(act) = self.act(number, "body") {
            return self.play(act, stream).await.map(drop);
        }
        let mut message = String::new();
        loop {
            let start = message.len();
            if stream.read_line(&mut message).await.ok()? == 0 {
                return None;
            }
            if &message[start..] == ".\r\n" {
                message.truncate(start);
                break;
            }
        }
        let took = self.answer(number, ".", "250 2.0.0 Ok: queued as Q1", stream).await?;
        if took.starts_with("250") {
            self.seen.lock().unwrap().messages.push(message);
        }
        Some(())
    }

    /// Answers as the script says at this moment, else as a good server would.
    async fn answer(
        &self,
        number: usize,
        moment: &str,
        good: &'static str,
        stream: &mut BufReader<Box<dyn Stream>>,
    ) -> Option<&'static str> {
        let act = self.act(number, moment).unwrap_or(Act::Say(good));
        self.play(act, stream).await
    }

    async fn play(&self, act: Act, stream: &mut BufReader<Box<dyn Stream>>) -> Option<&'static str> {
        match act {
            Act::Say(text) => {
                stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                Some(text)
            }
            Act::Close => None,
            Act::Hang => std::future::pending().await,
        }
    }

    async fn encrypt(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let stream = self.tls.accept(stream).await.ok()?;
        self.seen.lock().unwrap().handshakes += 1;
        Some(Box::new(stream))
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
