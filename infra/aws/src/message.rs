//! What SQS and SNS take as a message, and what they count it as.
//!
//! The rules are checked before a call: SQS fails a whole batch for some of what is wrong with one entry
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>,
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>).

use std::collections::HashMap;

use aws_sdk_sqs::{
    operation::send_message::builders::SendMessageFluentBuilder,
    types::{
        MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
        builders::SendMessageBatchRequestEntryBuilder,
    },
};
use sendoff_consumers::Attributes;
use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;

/// The largest message of SQS, attributes included, and the most that a batch has in all.
pub(crate) const SQS_LIMIT: usize = 1 << 20;

/// The name of X-Ray's trace header. SQS keeps it apart from the message's attributes and doesn't count it; to us it is one
/// of them.
pub(crate) const TRACE_HEADER: &str = "AWSTraceHeader";

/// The most attributes that a message has.
const ATTRIBUTES: usize = 10;

/// A message that SQS will take.
#[derive(Debug, Clone)]
pub(crate) struct SqsMessage {
    body: String,
    attributes: Attributes,
    trace: Option<String>,
}

impl SqsMessage {
    /// The message, or what SQS would refuse in it.
    pub(crate) fn new(body: &[u8], attributes: &Attributes) -> Result<Self, String> {
        let mut attributes = attributes.clone();
        let trace = attributes.remove(TRACE_HEADER);
        let message = Self { body: text(body)?.to_owned(), attributes, trace };
        check(pairs(&message.attributes))?;
        let bytes = message.bytes();
        if bytes > SQS_LIMIT {
            return Err(format!("it has {bytes} bytes with its attributes, and SQS takes at most {SQS_LIMIT}"));
        }
        Ok(message)
    }

    /// What SQS counts it as: the body, and the names, types and values of its attributes.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.body, pairs(&self.attributes))
    }

    /// Its body.
    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    /// Its attributes, without the trace header.
    pub(crate) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Its trace header.
    pub(crate) fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// The message as an entry of `SendMessageBatch`.
    pub(crate) fn fill(&self, entry: SendMessageBatchRequestEntryBuilder) -> SendMessageBatchRequestEntryBuilder {
        entry
            .message_body(&self.body)
            .set_message_attributes(self.sqs_attributes())
            .set_message_system_attributes(self.sqs_trace())
    }

    /// The message as that of `SendMessage`.
    pub(crate) fn send(&self, call: SendMessageFluentBuilder) -> SendMessageFluentBuilder {
        call.message_body(&self.body)
            .set_message_attributes(self.sqs_attributes())
            .set_message_system_attributes(self.sqs_trace())
    }

    fn sqs_trace(&self) -> Option<HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>> {
        let value =
            MessageSystemAttributeValue::builder().string_value(self.trace.as_ref()?).data_type("String").build();
        Some(HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value.ok()?)]))
    }

    fn sqs_attributes(&self) -> Option<HashMap<String, MessageAttributeValue>> {
        let value = |(name, value): (&String, &String)| {
            let built = MessageAttributeValue::builder().data_type(data_type(name)).string_value(value).build().ok()?;
            Some((name.clone(), built))
        };
        (!self.attributes.is_empty()).then(|| self.attributes.iter().filter_map(value).collect())
    }
}

/// The type that an attribute travels as. The size of a claim check is a number to AWS's extended client libraries.
pub(crate) fn data_type(name: &str) -> &'static str {
    if name == EXTENDED_SIZE_ATTRIBUTE { "Number" } else { "String" }
}

/// Names and values.
pub(crate) fn pairs(attributes: &Attributes) -> impl Iterator<Item = (&str, &str)> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// What a message is counted as.
pub(crate) fn bytes<'a>(body: &str, attributes: impl Iterator<Item = (&'a str, &'a str)>) -> usize {
    body.len() + attributes.map(|(name, value)| name.len() + data_type(name).len() + value.len()).sum::<usize>()
}

/// Whether SQS takes this character in a body or a value.
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether no character that SQS refuses has this byte in it. U+FFFE and U+FFFF begin with 0xEF, as others do.
const fn is_plain(byte: u8) -> bool {
    (byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r')) && byte != 0xef
}

/// The body as text, or what is wrong with it.
pub(crate) fn text(body: &[u8]) -> Result<&str, String> {
    let text =
        std::str::from_utf8(body).map_err(|e| format!("its body isn't UTF-8 from byte {} on", e.valid_up_to()))?;
    if text.is_empty() {
        return Err("its body is empty, and SQS takes at least one character".to_owned());
    }
    allowed(text).map_err(|character| format!("its body holds U+{character:04X}, which SQS takes in no message"))?;
    Ok(text)
}

fn allowed(text: &str) -> Result<(), u32> {
    // Nearly every text is seen to be fine by its bytes, many of them at a time.
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return Ok(());
    }
    text.chars().find(|c| !is_allowed(*c)).map_or(Ok(()), |character| Err(u32::from(character)))
}

/// What is wrong with the attributes of a message, the trace header not among them.
pub(crate) fn check<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let mut count = 0;
    for (name, value) in attributes {
        count += 1;
        if !is_name(name) {
            return Err(format!(
                "its attribute `{}` has no name that SQS takes: up to 256 of A-Za-z0-9_-., no dot at an end or beside \
                 another, and not beginning with AWS. or Amazon.",
                name.escape_debug()
            ));
        }
        if value.is_empty() {
            return Err(format!("its attribute `{name}` is empty, and SQS takes at least one character"));
        }
        allowed(value).map_err(|character| {
            format!("its attribute `{name}` holds U+{character:04X}, which SQS takes in no message")
        })?;
    }
    if count > ATTRIBUTES {
        return Err(format!("it has {count} attributes, and SQS takes at most {ATTRIBUTES}"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let begins = |with: &str| name.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    (1..=256).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !begins("aws.")
        && !begins("amazon.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes<const N: usize>(all: [(&str, &str); N]) -> Attributes {
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_body_is_text_of_the_characters_that_sqs_takes() {
        for body in ["x", " ", "\t\r\n", "ü漢🦀", "\u{f000}", "\u{7f}\u{85}\u{fffd}\u{10ffff}"] {
            assert_eq!(text(body.as_bytes()), Ok(body));
        }
        for (body, why) in [
            (&b""[..], "is empty"),
            (b"ab\xff", "isn't UTF-8 from byte 2 on"),
            (b"a\0", "U+0000"),
            (b"\x1b[0m", "U+001B"),
            ("\u{fffe}".as_bytes(), "U+FFFE"),
        ] {
            let told = text(body).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn an_attribute_that_sqs_refuses_is_told_by_its_name() {
        for name in ["", "ü", "a b", ".a", "a.", "a..b", "AWS.x", "amazon.x", &"x".repeat(257)] {
            let told = SqsMessage::new(b"x", &attributes([(name, "v")])).unwrap_err();
            assert!(told.contains(&format!("`{name}`")), "{told}");
        }
        for (value, why) in [("", "empty"), ("\0", "U+0000")] {
            let told = SqsMessage::new(b"x", &attributes([("a", value)])).unwrap_err();
            assert!(told.contains("`a`") && told.contains(why), "{told}");
        }
        let eleven: Attributes = (0..11).map(|n| (format!("a{n}"), "v".to_owned())).collect();
        assert!(SqsMessage::new(b"x", &eleven).unwrap_err().contains("11 attributes"));
        assert!(SqsMessage::new(b"x", &attributes([("type", "x.v1"), ("a-b_c.d", " ")])).is_ok());
    }

    #[test]
    fn the_trace_header_is_no_attribute_and_costs_nothing() {
        let mut ten: Attributes = (0..10).map(|n| (format!("a{n}"), "v".to_owned())).collect();
        ten.insert(TRACE_HEADER.to_owned(), "Root=1".to_owned());
        let message = SqsMessage::new(b"x", &ten).unwrap();
        assert_eq!((message.trace(), message.attributes().len()), (Some("Root=1"), 10));
        assert_eq!(message.bytes(), 1 + 10 * "a0Stringv".len());
    }

    #[test]
    fn names_types_and_values_count_against_the_limit() {
        let body = vec![b'x'; SQS_LIMIT - "aStringv".len()];
        assert_eq!(SqsMessage::new(&body, &attributes([("a", "v")])).unwrap().bytes(), SQS_LIMIT);
        assert!(SqsMessage::new(&body, &attributes([("a", "vv")])).unwrap_err().contains("1048577 bytes"));
        assert_eq!(bytes("", [(EXTENDED_SIZE_ATTRIBUTE, "1")].into_iter()), "ExtendedPayloadSizeNumber1".len());
    }
}
