//! One client, from greeting to goodbye.

use std::{io, sync::Arc, time::Duration};

use sendoff_consumers::Stop;
use sendoff_events::{Clock, Rng, at_millis};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedWriteHalf},
    select,
    time::timeout,
};

use super::{
    Mailbox, SinkLimits,
    data::{self, Taken},
    line::{self, Line},
    session::{Envelope, Session, Step},
    shelf::fresh_id,
};

/// The longest command line, generously (RFC 5321 § 4.5.3.1.4: 512 bytes, more with parameters).
const MAX_COMMAND: usize = 1000;
/// How much of a longer one is read before the client is hung up on.
const COMMAND_PATIENCE: usize = 64 * 1024 * 1024;

/// What all connections share.
pub(super) struct Desk {
    pub(super) mailbox: Mailbox,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) limits: SinkLimits,
}

impl Desk {
    /// Serves one client until it leaves, is silent for too long, or a stop is requested between two of its commands.
    pub(super) async fn serve(&self, stream: TcpStream, stop: Stop) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut session = Session::new(self.limits);
        let mut line = Vec::new();
        say(&mut writer, "220 sendoff takes every mail and sends none on").await?;
        loop {
            let read = timeout(self.limits.idle, line::read(&mut reader, &mut line, MAX_COMMAND, COMMAND_PATIENCE));
            let found = select! {
                biased;
                found = read => found,
                () = stop.requested() => return say(&mut writer, "421 4.3.2 shutting down").await,
            };
            let reply = match found {
                Err(_) => return say(&mut writer, "421 4.4.2 silent for too long").await,
                Ok(found) => match found? {
                    Line::End => return Ok(()),
                    Line::Endless => return say(&mut writer, "421 4.5.2 that was too long").await,
                    Line::TooLong { .. } => format!("500 5.5.2 a command may have {MAX_COMMAND} bytes"),
                    Line::Whole => match session.step(&line) {
                        Step::Reply(reply) => reply,
                        Step::Close => return say(&mut writer, "221 2.0.0 goodbye").await,
                        Step::TakeMessage(envelope) => {
                            say(&mut writer, "354 go ahead, end with a line of one dot").await?;
                            match timeout(self.limits.message_time, data::take(&mut reader, self.limits)).await {
                                Err(_) => return say(&mut writer, "421 4.4.2 too slow").await,
                                Ok(taken) => match taken? {
                                    Taken::Message(message) => self.keep(envelope, message).await,
                                    Taken::Refused(reply) => reply,
                                    Taken::Endless => return say(&mut writer, "421 4.3.4 that was too large").await,
                                    Taken::Cut => return Ok(()),
                                },
                            }
                        }
                    },
                },
            };
            say(&mut writer, &reply).await?;
        }
    }

    /// Stores the mail, and only then says so.
    async fn keep(&self, envelope: Envelope, message: Vec<u8>) -> String {
        let at = at_millis(self.clock.now());
        let id = fresh_id(at, &*self.rng);
        let mailbox = self.mailbox.clone();
        let store = tokio::task::spawn_blocking(move || mailbox.store(id, at, &envelope, &message));
        match store.await {
            Ok(Ok(())) => format!("250 2.0.0 ok, kept as {id}"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a received mail can't be stored");
                "452 4.3.1 it can't be stored now".into()
            }
            Err(_) => "451 4.3.0 it can't be stored".into(),
        }
    }
}

/// How long a client may take to take a reply.
const REPLY_TIME: Duration = Duration::from_secs(30);

pub(super) async fn say(writer: &mut OwnedWriteHalf, reply: &str) -> io::Result<()> {
    let reply = format!("{reply}\r\n");
    timeout(REPLY_TIME, writer.write_all(reply.as_bytes())).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(())
}
