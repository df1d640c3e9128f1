//! The message itself, after DATA.

use std::io;

use tokio::io::AsyncBufRead;

use super::{
    SinkLimits,
    line::{self, Line},
};

/// A text line may have 1000 bytes with its line break (RFC 5321 § 4.5.3.1.6).
const MAX_LINE: usize = 1000;
/// How many times the largest message is read before the client is hung up on.
const PATIENCE: usize = 4;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A message, dots unstuffed.
    Message(Vec<u8>),
    /// A message that isn't kept. It was read to its end, so the conversation goes on after this reply.
    Refused(String),
    /// The client sends without end: not worth another word.
    Endless,
    /// The connection ended before the message did. Nothing may be kept of it.
    Cut,
}

/// Reads until the line with only a dot. Memory is bounded by the limits, whatever comes.
///
/// Lines end with CRLF, and nothing else ends a message: taking a bare line feed for a line's end is what lets mails be
/// smuggled in (CVE-2023-51764).
pub(super) async fn take(reader: &mut (impl AsyncBufRead + Unpin), limits: SinkLimits) -> io::Result<Taken> {
    let (mut message, mut line) = (Vec::new(), Vec::new());
    let (mut total, mut at_line_start) = (0_usize, true);
    let mut refusal: Option<String> = None;
    loop {
        let patience = limits.message.saturating_mul(PATIENCE);
        match line::read(reader, &mut line, MAX_LINE, patience).await? {
            Line::End => return Ok(Taken::Cut),
            Line::Endless => return Ok(Taken::Endless),
            Line::TooLong { ends_with_crlf } => {
                refusal.get_or_insert_with(|| format!("554 5.6.0 a line may have {MAX_LINE} bytes"));
                at_line_start = ends_with_crlf;
                total += MAX_LINE;
            }
            Line::Whole if at_line_start && line == b".\r\n" => {
                return Ok(refusal.map_or(Taken::Message(message), Taken::Refused));
            }
            Line::Whole => {
                let stuffed = at_line_start && line[0] == b'.';
                at_line_start = line.ends_with(b"\r\n");
                if !at_line_start {
                    refusal.get_or_insert_with(|| "554 5.6.0 lines end with CRLF (RFC 5321 § 2.3.8)".into());
                }
                total += line.len();
                message.extend_from_slice(if stuffed { &line[1..] } else { &line });
            }
        }
        if total > limits.message {
            refusal.get_or_insert_with(|| format!("552 5.3.4 a mail may have {} bytes", limits.message));
        }
        if refusal.is_some() {
            message = Vec::new();
        }
        if total > patience {
            return Ok(Taken::Endless);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(bytes: &[u8]) -> Taken {
        let limits = SinkLimits { message: 3000, ..SinkLimits::default() };
        take(&mut tokio::io::BufReader::with_capacity(16, bytes), limits).await.unwrap()
    }

    #[tokio::test]
    async fn dots_are_unstuffed_and_one_alone_ends_the_message() {
        let message = taken(b"a\r\n..\r\n..b\r\n\xff\x00\r\n.\r\nNOOP\r\n").await;
        assert_eq!(message, Taken::Message(b"a\r\n.\r\n.b\r\n\xff\x00\r\n".to_vec()));
        assert_eq!(taken(b".\r\n").await, Taken::Message(vec![]));
    }

    #[tokio::test]
    async fn no_mail_can_be_smuggled_in_behind_a_bare_line_feed() {
        for smuggled in
            [&b"a\n.\nMAIL FROM:<x@y>\r\n.\r\n"[..], b"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n", b"a\r\n.\nx\r\n.\r\n"]
        {
            let Taken::Refused(reply) = taken(smuggled).await else { panic!("{smuggled:?}") };
            assert!(reply.contains("CRLF"), "{reply}");
        }
        let behind_a_long_line = format!("{}\n.\r\nMAIL FROM:<x@y>\r\n.\r\n", "x".repeat(2000));
        assert!(matches!(taken(behind_a_long_line.as_bytes()).await, Taken::Refused(_)));
    }

    #[tokio::test]
    async fn what_is_too_long_or_too_large_is_read_to_its_end_and_refused() {
        let long_line = format!("{}\r\n.\r\n", "x".repeat(1001));
        assert_eq!(taken(long_line.as_bytes()).await, Taken::Refused("554 5.6.0 a line may have 1000 bytes".into()));
        let large = format!("{}.\r\n", "x\r\n".repeat(1001));
        assert_eq!(taken(large.as_bytes()).await, Taken::Refused("552 5.3.4 a mail may have 3000 bytes".into()));
        assert_eq!(taken("x\r\n".repeat(5000).as_bytes()).await, Taken::Endless);
        assert_eq!(taken(b"a\r\n.").await, Taken::Cut);
    }
}
