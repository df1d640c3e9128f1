//! The SMTP server inside the process.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use sendoff_consumers::Stop;
use sendoff_events::{Clock, Rng};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};

use super::{
    Mailbox,
    connection::{Desk, say},
};

/// How much a client may ask of the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkLimits {
    /// Clients at a time. Default 256.
    pub connections: usize,
    /// Recipients of one mail. Default 100.
    pub recipients: usize,
    /// Bytes of one message. Default 10 MiB.
    pub message: usize,
    /// How long a client may be silent between commands. Default 5 minutes.
    pub idle: Duration,
    /// How long a client may take to hand over one message. Default 2 minutes.
    pub message_time: Duration,
}

impl Default for SinkLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            recipients: 100,
            message: 10 * 1024 * 1024,
            idle: Duration::from_secs(300),
            message_time: Duration::from_secs(120),
        }
    }
}

/// How long running deliveries may go on after a stop was requested.
const GRACE: Duration = Duration::from_secs(5);

/// An SMTP server on the loopback interface that keeps every mail in a [`Mailbox`]. A mail that it has said yes to is on the
/// disk.
pub struct SmtpSink {
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Desk>,
}

impl SmtpSink {
    /// Takes a free port on 127.0.0.1. Clients that connect from now on are served once it [runs](Self::run).
    ///
    /// # Errors
    ///
    /// What the system says when there is no port to be had.
    pub async fn bind(
        mailbox: Mailbox,
        limits: SinkLimits,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, desk: Arc::new(Desk { mailbox, clock, rng, limits }) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is requested. A message on its way is then taken to its end, at most for a few seconds.
    pub async fn run(self, stop: Stop) {
        let slots = Arc::new(Semaphore::new(self.desk.limits.connections));
        let mut clients = JoinSet::new();
        loop {
            select! {
                biased;
                () = stop.requested() => break,
                Some(_) = clients.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let slot = slots.clone().try_acquire_owned().ok();
                        clients.spawn(attend(self.desk.clone(), stream, slot, stop.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the mail sink can't accept a connection");
                        // Too many open files, most likely: without a pause this would spin.
                        self.desk.clock.sleep(Duration::from_millis(200)).await;
                    }
                },
            }
        }
        drop(self.listener);
        let goodbyes = async { while clients.join_next().await.is_some() {} };
        if timeout(GRACE, goodbyes).await.is_err() {
            tracing::warn!("the mail sink has cut off clients that did not come to an end");
        }
    }
}

async fn attend(desk: Arc<Desk>, stream: TcpStream, slot: Option<OwnedSemaphorePermit>, stop: Stop) {
    let ended = match slot {
        Some(_slot) => desk.serve(stream, stop).await,
        None => say(&mut stream.into_split().1, "421 4.3.2 too many connections").await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a mail client was lost");
    }
}
