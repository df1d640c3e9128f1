//! The child's connection to the provider.

use std::net::SocketAddr;

use sendoff_consumers::SendOutcome;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter},
    net::TcpStream,
    sync::{mpsc, oneshot},
};

use super::provider::{ASKS, DONE};

/// One pipelined connection that all handlers share.
#[derive(Clone)]
pub(super) struct Link(mpsc::UnboundedSender<Request>);

struct Request {
    line: String,
    done: oneshot::Sender<bool>,
}

impl Link {
    pub(super) async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reading, writing) = stream.into_split();
        let (sender, mut requests) = mpsc::unbounded_channel::<Request>();
        let (asked, mut waiting) = mpsc::unbounded_channel::<oneshot::Sender<bool>>();
        tokio::spawn(async move {
            let mut writing = BufWriter::new(writing);
            while let Some(Request { line, done }) = requests.recv().await {
                let sent = async {
                    writing.write_all(format!("{line}\n").as_bytes()).await?;
                    if requests.is_empty() { writing.flush().await } else { Ok(()) }
                };
                // Answers come in the order of the requests, so each is listed before it leaves.
                if asked.send(done).is_err() || sent.await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            let mut answers = BufReader::new(reading).lines();
            while let (Ok(Some(answer)), Some(done)) = (answers.next_line().await, waiting.recv().await) {
                // A handler that gave up isn't waiting any more.
                let _ = done.send(answer == DONE);
            }
        });
        Ok(Self(sender))
    }

    /// Has the effect of `key`.
    pub(super) async fn send(&self, key: String) -> SendOutcome {
        match self.line(key).await {
            Some(_) => SendOutcome::Sent { provider: None, provider_id: None },
            None => SendOutcome::Unknown { provider: None, reason: "the connection broke".into() },
        }
    }

    /// Whether the effect of `key` has happened; `None` when nobody answers.
    pub(super) async fn find(&self, key: &str) -> Option<bool> {
        self.line(format!("{ASKS}{key}")).await
    }

    async fn line(&self, line: String) -> Option<bool> {
        let (done, answer) = oneshot::channel();
        self.0.send(Request { line, done }).ok()?;
        answer.await.ok()
    }
}
