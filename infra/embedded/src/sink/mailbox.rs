//! Received mails, one file each.

use std::path::Path;

use mail_parser::MessageParser;
use sendoff_events::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{
    session::Envelope,
    shelf::{Shelf, ShelfError, time_of},
};

/// The mails that the sink of a data folder has received: `mail/{id}.eml`, readable by their owner only. Ids are UUIDs that
/// sort by time.
#[derive(Debug, Clone)]
pub struct Mailbox {
    shelf: Shelf,
}

/// A received mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceivedMail {
    /// Its name.
    pub id: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Who got it, as SMTP was told.
    pub to: Vec<String>,
    /// Who it says it is from.
    pub from: String,
    /// Its subject.
    pub subject: String,
    /// Its text part; empty if it has none.
    pub text: String,
    /// Its HTML part.
    pub html: Option<String>,
    /// The size of the message in bytes, without the lines that the sink has added.
    pub size: u64,
}

/// The headers that keep the envelope, in front of the message as it came.
const ENVELOPE_TO: &str = "X-Envelope-To";
const ENVELOPE_FROM: &str = "X-Envelope-From";
/// Closes the lines that the sink adds; the message follows.
const RECEIVED: &str = "X-Sendoff-Received";

impl Mailbox {
    /// The mailbox of a data folder. Its own folder is made when the first mail comes.
    #[must_use]
    pub fn of(data_folder: &Path) -> Self {
        Self { shelf: Shelf::new(data_folder.join("mail"), "eml", "mail", "sendoff mail ls") }
    }

    /// All mails, the oldest first.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Io`].
    pub fn list(&self) -> Result<Vec<ReceivedMail>, ShelfError> {
        self.shelf.ids()?.iter().map(|id| self.load(*id)).collect()
    }

    /// The mail with this id, or with the only id that begins so.
    ///
    /// # Errors
    ///
    /// [`ShelfError`].
    pub fn read(&self, id: &str) -> Result<ReceivedMail, ShelfError> {
        self.load(self.shelf.find(id)?)
    }

    /// Stores a mail. When it has returned, the mail survives a crash; before that, nobody sees any of it.
    pub(super) fn store(&self, id: Uuid, at: Timestamp, envelope: &Envelope, message: &[u8]) -> Result<(), ShelfError> {
        self.shelf.store(id, &[head(at, envelope).as_bytes(), message])
    }

    fn load(&self, id: Uuid) -> Result<ReceivedMail, ShelfError> {
        Ok(parse(id, &self.shelf.load(id)?))
    }
}

fn head(at: Timestamp, envelope: &Envelope) -> String {
    let Envelope { client, from, to } = envelope;
    let mut head = format!("{ENVELOPE_FROM}: <{from}>\r\n");
    for address in to {
        head.push_str(&format!("{ENVELOPE_TO}: <{address}>\r\n"));
    }
    head.push_str(&format!("{RECEIVED}: at {at} from {client}\r\n"));
    head
}

/// Shows what can be shown of any bytes: whatever was received must not hide the rest of the mailbox.
fn parse(id: Uuid, bytes: &[u8]) -> ReceivedMail {
    let message = MessageParser::default().parse(bytes);
    let (head_end, to) = own_head(bytes);
    let first = |address: Option<&mail_parser::Address<'_>>| {
        address.and_then(|a| a.first()).and_then(|a| a.address()).unwrap_or_default().to_owned()
    };
    let has_html = message.as_ref().is_some_and(|m| m.html_bodies().any(|part| part.is_text_html()));
    let part = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
    ReceivedMail {
        id: id.to_string(),
        received_at: time_of(id),
        to,
        from: first(message.as_ref().and_then(|m| m.from())),
        subject: message.as_ref().and_then(|m| m.subject()).unwrap_or_default().to_owned(),
        text: message.as_ref().and_then(|m| part(m.body_text(0))).unwrap_or_default(),
        html: message.as_ref().filter(|_| has_html).and_then(|m| part(m.body_html(0))),
        size: (bytes.len() - head_end) as u64,
    }
}

/// Where the sink's own lines end, and the recipients they name.
fn own_head(bytes: &[u8]) -> (usize, Vec<String>) {
    let (mut end, mut to) = (0, Vec::new());
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { break };
        let Some((name, value)) = text.trim_end().split_once(": ") else { break };
        match name {
            ENVELOPE_TO => to.push(value.trim_matches(['<', '>']).to_owned()),
            ENVELOPE_FROM => {}
            RECEIVED => {
                end += line.len();
                break;
            }
            _ => break,
        }
        end += line.len();
    }
    (end, to)
}
