//! A mail as bytes: RFC 5322 headers over a text and an HTML part.

use std::time::SystemTime;

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use sha2::{Digest, Sha256};

use super::{EmailAddress, Mail};

/// A mail that can't be put into a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A header text has a line break or another control character: it could smuggle in further headers.
    #[error("the {0} has a line break or another control character")]
    ControlCharacter(&'static str),
    /// Mail clients act on https addresses only (RFC 8058).
    #[error("the unsubscribe address is not https")]
    UnsubscribeNotHttps,
    /// The message could not be put together.
    #[error("the message can't be built: {0}")]
    Builder(String),
}

/// The `Message-ID` of every attempt at the mail with this idempotency key, with its angle brackets.
///
/// Mailboxes may recognise a duplicate by it, and whoever looks into a server's log finds the event. It deduplicates nothing
/// by itself, and some services replace it (SES); hence the header `X-Idempotency-Key` beside it.
#[must_use]
pub fn message_id(idempotency_key: &str, from: &EmailAddress) -> String {
    format!("<{}@{}>", digest(idempotency_key), from.domain())
}

/// The message as it goes over the wire, in ASCII, so that every server takes it.
pub(super) fn build(mail: &Mail) -> Result<Vec<u8>, MessageError> {
    let name = mail.from.name.as_deref().unwrap_or_default();
    let unsubscribe = mail.list_unsubscribe.as_deref().unwrap_or_default();
    let headers = [
        ("subject", mail.subject.as_str()),
        ("sender's name", name),
        ("idempotency key", &mail.idempotency_key),
        ("unsubscribe address", unsubscribe),
    ];
    if let Some((which, _)) = headers.into_iter().find(|(_, text)| text.chars().any(char::is_control)) {
        return Err(MessageError::ControlCharacter(which));
    }
    let mut builder = Message::builder()
        .from(Mailbox::new(mail.from.name.clone(), mail.from.address.as_lettre().clone()))
        .to(Mailbox::new(None, mail.to.expose().as_lettre().clone()))
        .subject(&mail.subject)
        .date(SystemTime::from(mail.date))
        .message_id(Some(message_id(&mail.idempotency_key, &mail.from.address)))
        .raw_header(raw("X-Idempotency-Key", &mail.idempotency_key))
        // RFC 3834: no out-of-office replies to this.
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    if let Some(address) = &mail.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address.as_lettre().clone()));
    }
    if let Some(url) = &mail.list_unsubscribe {
        if !url.starts_with("https://") || url.contains(['>', ',', ' ']) {
            return Err(MessageError::UnsubscribeNotHttps);
        }
        builder = builder
            .raw_header(raw("List-Unsubscribe", &format!("<{url}>")))
            .raw_header(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    let parts = MultiPart::alternative()
        .boundary(digest(&format!("boundary/{}", mail.idempotency_key)))
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    builder.multipart(parts).map(|message| message.formatted()).map_err(|e| MessageError::Builder(e.to_string()))
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// 128 bits, as hex digits.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;
    use sendoff_events::Personal;

    use super::*;

    fn mail() -> Mail {
        Mail {
            to: Personal::new("ada@example.org".parse().unwrap()),
            from: "Acme Äpps <apps@acme.example>".parse().unwrap(),
            reply_to: Some("help@acme.example".parse().unwrap()),
            subject: "Grüße, Ada: a subject that is long enough to be folded over more than one line ✓".into(),
            html: "<p>Grüße</p>\n.\n".into(),
            text: "Grüße\n.\nEnde".into(),
            idempotency_key: "email/01938d1e-7b2c-7000-8000-000000000000/ada".into(),
            date: "2026-11-24T12:00:00Z".parse().unwrap(),
            list_unsubscribe: Some("https://acme.example/u/1".into()),
        }
    }

    #[test]
    fn a_mail_reads_back_as_it_was_written() {
        let bytes = build(&mail()).unwrap();
        assert!(bytes.is_ascii());
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(read.subject().unwrap(), mail().subject);
        assert_eq!(read.from().unwrap().first().unwrap().name().unwrap(), "Acme Äpps");
        assert_eq!(read.to().unwrap().first().unwrap().address().unwrap(), "ada@example.org");
        assert_eq!(read.reply_to().unwrap().first().unwrap().address().unwrap(), "help@acme.example");
        assert_eq!(read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Grüße\n.\nEnde");
        assert_eq!(read.body_html(0).unwrap().replace("\r\n", "\n").trim_end(), "<p>Grüße</p>\n.");
        assert_eq!(read.date().unwrap().to_rfc3339(), "2026-11-24T12:00:00Z");
        let header = |name: &str| read.header_raw(name).unwrap().trim().to_owned();
        assert_eq!(header("X-Idempotency-Key"), mail().idempotency_key);
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        assert_eq!(header("List-Unsubscribe"), "<https://acme.example/u/1>");
        assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        assert_eq!(header("Message-ID"), message_id(&mail().idempotency_key, &mail().from.address));
    }

    #[test]
    fn every_attempt_at_a_mail_is_the_same_message() {
        assert_eq!(build(&mail()), build(&mail()));
        let other = Mail { idempotency_key: "email/01938d1e-7b2c-7000-8000-000000000000/eve".into(), ..mail() };
        let id = |mail: &Mail| message_id(&mail.idempotency_key, &mail.from.address);
        assert_ne!(id(&mail()), id(&other));
    }

    #[test]
    fn no_header_can_be_smuggled_in() {
        let hostile = "x\r\nBcc: eve@example.org".to_owned();
        let subject = Mail { subject: hostile.clone(), ..mail() };
        assert_eq!(build(&subject), Err(MessageError::ControlCharacter("subject")));
        let key = Mail { idempotency_key: hostile.clone(), ..mail() };
        assert_eq!(build(&key), Err(MessageError::ControlCharacter("idempotency key")));
        let mut sender = mail();
        sender.from.name = Some(hostile.clone());
        assert_eq!(build(&sender), Err(MessageError::ControlCharacter("sender's name")));
        let unsubscribe = Mail { list_unsubscribe: Some(format!("https://{hostile}")), ..mail() };
        assert_eq!(build(&unsubscribe), Err(MessageError::ControlCharacter("unsubscribe address")));
        let plain = Mail { list_unsubscribe: Some("http://acme.example/u/1".into()), ..mail() };
        assert_eq!(build(&plain), Err(MessageError::UnsubscribeNotHttps));
    }
}
