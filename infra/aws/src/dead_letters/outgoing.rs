//! A letter that is to be sent, held against what SQS and SNS take.

use aws_smithy_types::base64;
use sendoff_consumers::OutgoingLetter;

use crate::message::{self, TRACE_HEADER};

/// What is wrong with a letter for a first-in-first-out queue without a group.
const NO_GROUP: &str = "it has no group, and a first-in-first-out queue takes no message without one";

/// A letter that will be taken.
pub(super) struct Ready<'a> {
    /// The letter.
    pub(super) letter: &'a OutgoingLetter,
    /// Its body.
    pub(super) body: &'a str,
    /// What it is counted as.
    pub(super) bytes: usize,
}

impl<'a> Ready<'a> {
    /// The letter, or what would be refused in it.
    pub(super) fn of(letter: &'a OutgoingLetter, limit: usize, fifo: bool) -> Result<Self, String> {
        let body = message::text(&letter.body)?;
        message::check(attributes(letter).map(|(name, _, value)| (name, value)))?;
        let mut bytes = body.len();
        for (name, kind, value) in attributes(letter) {
            bytes += name.len() + kind.len();
            bytes += if is_binary(kind) {
                let read = base64::decode(value);
                read.map_err(|_| format!("its attribute `{name}` is of type {kind}, and no base64"))?.len()
            } else {
                value.len()
            };
        }
        if bytes > limit {
            return Err(format!("it has {bytes} bytes with its attributes, and at most {limit} are taken"));
        }
        if fifo && letter.group.is_none() {
            return Err(NO_GROUP.to_owned());
        }
        Ok(Self { letter, body, bytes })
    }
}

/// Names, types and values of a letter's attributes, the trace header not among them: it is none to SQS.
pub(super) fn attributes(letter: &OutgoingLetter) -> impl Iterator<Item = (&str, &str, &str)> {
    letter.attributes.iter().filter(|(name, _)| *name != TRACE_HEADER).map(|(name, value)| {
        let kind = letter.types.get(name).map_or_else(|| message::data_type(name), String::as_str);
        (name.as_str(), kind, value.as_str())
    })
}

/// Whether the value of an attribute of this type is bytes.
pub(super) fn is_binary(kind: &str) -> bool {
    kind == "Binary" || kind.starts_with("Binary.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(attributes: &[(&str, &str, &str)]) -> OutgoingLetter {
        let own = |text: &str| text.to_owned();
        OutgoingLetter {
            body: "x".into(),
            attributes: attributes.iter().map(|(name, _, value)| (own(name), own(value))).collect(),
            types: attributes.iter().map(|(name, kind, _)| (own(name), own(kind))).collect(),
            group: None,
            dedup: "d".into(),
            copy_of: None,
        }
    }

    #[test]
    fn bytes_count_as_bytes_and_the_trace_header_as_nothing() {
        let given = letter(&[("b", "Binary", "AAAA"), ("n", "Number", "17"), (TRACE_HEADER, "String", "Root=1")]);
        let ready = Ready::of(&given, 1000, false).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(ready.bytes, 1 + "bBinary".len() + 3 + "nNumber17".len());
        assert!(Ready::of(&given, ready.bytes, false).is_ok());
        assert!(Ready::of(&given, ready.bytes - 1, false).is_err_and(|why| why.contains("bytes")));
    }

    #[test]
    fn what_would_be_refused_says_why() {
        let not_base64 = letter(&[("b", "Binary", "?")]);
        assert!(Ready::of(&not_base64, 1000, false).is_err_and(|why| why.contains("base64")));
        assert!(Ready::of(&letter(&[]), 1000, true).is_err_and(|why| why.contains("group")));
        let empty = OutgoingLetter { body: "".into(), ..letter(&[]) };
        assert!(Ready::of(&empty, 1000, false).is_err_and(|why| why.contains("empty")));
    }
}
