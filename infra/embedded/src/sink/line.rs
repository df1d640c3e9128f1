//! Lines of a size that the reader chooses, not the sender.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line, with its line feed.
    Whole,
    /// A line that is too long. It was read to its end and thrown away.
    TooLong { ends_with_crlf: bool },
    /// More came without a line feed than anybody will wait for.
    Endless,
    /// The connection ended, perhaps in the middle of a line.
    End,
}

/// Reads the next line into `line`, which never holds more than `max` bytes; gives up after `patience` bytes.
pub(super) async fn read(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    max: usize,
    patience: usize,
) -> io::Result<Line> {
    line.clear();
    let (mut length, mut last) = (0_usize, 0);
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let line_feed = available.iter().position(|&b| b == b'\n');
        let part = &available[..line_feed.map_or(available.len(), |at| at + 1)];
        length += part.len();
        if length > max {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let before_line_feed = if part.len() >= 2 { part[part.len() - 2] } else { last };
        last = part[part.len() - 1];
        let read = part.len();
        reader.consume(read);
        match line_feed {
            Some(_) if length > max => return Ok(Line::TooLong { ends_with_crlf: before_line_feed == b'\r' }),
            Some(_) => return Ok(Line::Whole),
            None if length > patience => return Ok(Line::Endless),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let long = "y".repeat(100_000);
        let text = format!("EHLO x\r\n{long}\r\n{long}\nQUIT\r\nrest");
        // Buffers of every size, so that a line break falls on every place in them.
        for capacity in [1, 2, 3, 7, 64, 8192] {
            let mut reader = tokio::io::BufReader::with_capacity(capacity, text.as_bytes());
            let mut line = Vec::new();
            let mut seen = Vec::new();
            while seen.last().is_none_or(|(found, _)| *found != Line::End) {
                let found = read(&mut reader, &mut line, 10, 1 << 20).await.unwrap();
                assert!(line.capacity() <= 64, "memory must not grow with the line");
                seen.push((found, String::from_utf8_lossy(&line).into_owned()));
            }
            let expected = [
                (Line::Whole, "EHLO x\r\n"),
                (Line::TooLong { ends_with_crlf: true }, ""),
                (Line::TooLong { ends_with_crlf: false }, ""),
                (Line::Whole, "QUIT\r\n"),
                (Line::End, "rest"),
            ];
            assert_eq!(seen, expected.map(|(found, text)| (found, text.to_owned())), "capacity {capacity}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up() {
        let mut reader = tokio::io::BufReader::new(tokio::io::repeat(b'x'));
        assert_eq!(read(&mut reader, &mut Vec::new(), 10, 100_000).await.unwrap(), Line::Endless);
    }
}
