//! Received mails, one file each.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use mail_parser::MessageParser;
use sendoff_events::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::session::Envelope;
use crate::db::folder::{create_private, private_file};

/// The mails that the sink of a data folder has received: `mail/{id}.eml`, readable by their owner only. Ids are UUIDs that
/// sort by time.
#[derive(Debug, Clone)]
pub struct Mailbox {
    folder: PathBuf,
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

/// A mail that can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// There is no such mail.
    #[error("there is no mail `{0}`; `sendoff mail ls` lists them all")]
    NotFound(String),
    /// Several ids begin so.
    #[error("{count} mails have an id that begins with `{id}`: give more of it")]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// How many there are.
        count: usize,
    },
    /// The folder or a file in it can't be read or written.
    #[error("{} can't be used: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
        Self { folder: data_folder.join("mail") }
    }

    /// All mails, the oldest first.
    ///
    /// # Errors
    ///
    /// [`MailboxError::Io`].
    pub fn list(&self) -> Result<Vec<ReceivedMail>, MailboxError> {
        self.ids()?.iter().map(|id| self.load(*id)).collect()
    }

    /// The mail with this id, or with the only id that begins so.
    ///
    /// # Errors
    ///
    /// [`MailboxError`].
    pub fn read(&self, id: &str) -> Result<ReceivedMail, MailboxError> {
        let wanted = id.to_ascii_lowercase();
        let mut found = self.ids()?;
        found.retain(|id| id.to_string().starts_with(&wanted));
        match &*found {
            [only] => self.load(*only),
            [] => Err(MailboxError::NotFound(id.into())),
            several => Err(MailboxError::Ambiguous { id: id.into(), count: several.len() }),
        }
    }

    /// Stores a mail. When it has returned, the mail survives a crash; before that, nobody sees any of it.
    pub(super) fn store(
        &self,
        id: Uuid,
        at: Timestamp,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<(), MailboxError> {
        let failed = |path: &Path, source| MailboxError::Io { path: path.into(), source };
        create_private(&self.folder).map_err(|e| failed(&self.folder, e))?;
        let (path, unfinished) = (self.path(id), self.folder.join(format!(".{id}.tmp")));
        let write = || -> io::Result<()> {
            let mut file = private_file().create_new(true).open(&unfinished)?;
            file.write_all(head(at, envelope).as_bytes())?;
            file.write_all(message)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| {
            // What can't be removed is hidden by its name, and harmless.
            let _ = fs::remove_file(&unfinished);
            failed(&path, source)
        })
    }

    fn ids(&self) -> Result<Vec<Uuid>, MailboxError> {
        let failed = |source| MailboxError::Io { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".eml"));
            ids.extend(stem.and_then(|stem| Uuid::try_parse(stem).ok()));
        }
        ids.sort();
        Ok(ids)
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.folder.join(format!("{id}.eml"))
    }

    fn load(&self, id: Uuid) -> Result<ReceivedMail, MailboxError> {
        let path = self.path(id);
        let bytes = fs::read(&path).map_err(|source| MailboxError::Io { path, source })?;
        Ok(parse(id, &bytes))
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
        received_at: received_at(id),
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

/// The time in a UUID of version 7 (RFC 9562 § 5.7).
fn received_at(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
