//! Why a message failed: what dead letters carry, and what the ledger keeps of each attempt.

use sendoff_events::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The message attribute that carries a [`Failure`] as JSON.
pub const FAILURE_ATTRIBUTE: &str = "failure";

/// What kind of end an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The message itself can't be read; no handler saw it.
    Undecodable,
    /// The handler said that trying again is useless.
    Rejected,
    /// It failed and may be tried again.
    Retryable,
    /// The handler panicked.
    Panicked,
    /// The handler took longer than its policy allows.
    TimedOut,
    /// The process that ran it vanished.
    Crashed,
    /// The provider may or may not have acted.
    InDoubt,
    /// It had to wait: throttling, an outage, a lease of somebody else. Uses up no attempt.
    Deferred,
    /// No attempt: somebody settled a doubt.
    Resolved,
}

/// Why a message was dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word: `bad-template`, `attempts-exhausted`, `not-json`, `outcome-unknown`, …
    pub reason: String,
    /// What kind of end it was.
    pub class: Class,
    /// Equal for failures that are the same but for numbers, ids and addresses. See [`fingerprint`].
    pub fingerprint: String,
    /// Whose dead letter it is.
    pub consumer: String,
    /// How many attempts it had.
    pub attempts: u32,
    /// When the first attempt began.
    pub first_at: Timestamp,
    /// When the last one ended.
    pub last_at: Timestamp,
    /// The last error in words, without personal data, at most 1,000 characters.
    pub error: String,
}

impl Failure {
    /// The failure as the value of [`FAILURE_ATTRIBUTE`].
    #[must_use]
    pub fn to_attribute(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The longest error text that is kept.
const MAX_ERROR: usize = 1000;

/// An error text fit to be stored and shown: addresses and phone numbers replaced, control characters gone, cut to 1,000
/// characters.
#[must_use]
pub fn scrub(error: &str) -> String {
    let mut clean = String::with_capacity(error.len().min(MAX_ERROR));
    // The two characters that a message may not hold, as whoever puts the text into one would have to know.
    let error = hide_phones(&error.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
    let mut rest = error.as_str();
    while !rest.is_empty() && clean.len() < MAX_ERROR {
        let end = rest.find(|c: char| c.is_whitespace() || c.is_control()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        clean.push_str(if word.contains('@') { "<address>" } else { word });
        let mut characters = after.chars();
        if characters.next().is_some() {
            clean.push(' ');
        }
        rest = characters.as_str();
    }
    if clean.len() > MAX_ERROR {
        let cut = (0..=MAX_ERROR).rev().find(|&i| clean.is_char_boundary(i)).unwrap_or(0);
        clean.truncate(cut);
    }
    clean
}

/// The text without phone numbers: a `+` and at least seven digits, however they are grouped.
fn hide_phones(text: &str) -> String {
    const GROUPING: &str = " ()-./\u{a0}";
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, number) = rest.split_at(plus);
        let end = number[1..].find(|c: char| !c.is_ascii_digit() && !GROUPING.contains(c));
        let number = number[..end.map_or(number.len(), |end| end + 1)].trim_end_matches(|c| GROUPING.contains(c));
        let is_phone = number.bytes().filter(u8::is_ascii_digit).count() >= 7;
        clean.push_str(before);
        clean.push_str(if is_phone { "<phone>" } else { number });
        rest = &rest[plus + number.len()..];
    }
    clean.push_str(rest);
    clean
}

/// A short name for "the same error": `reason-xxxxxxxx`, where the digits come from the error text with numbers, ids and
/// quoted texts stripped.
#[must_use]
pub fn fingerprint(reason: &str, error: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(reason.as_bytes());
    hash.update([0]);
    for word in shape(&scrub(error)).split_whitespace() {
        hash.update(word.as_bytes());
        hash.update(b" ");
    }
    let digest = hash.finalize();
    format!("{reason}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

/// The text with what varies between occurrences replaced: quoted texts, and words that hold a digit.
fn shape(text: &str) -> String {
    let mut shaped = String::with_capacity(text.len());
    for (i, part) in text.split(['`', '"']).enumerate() {
        // Every second part stood between quotes.
        if i % 2 == 1 {
            shaped.push('_');
            continue;
        }
        for (j, word) in part.split(' ').enumerate() {
            if j > 0 {
                shaped.push(' ');
            }
            if word.bytes().any(|b| b.is_ascii_digit()) {
                shaped.push('#');
            } else {
                shaped.push_str(word);
            }
        }
    }
    shaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_ids_and_quotes_share_a_fingerprint() {
        let a = fingerprint("smtp", "550 5.1.1 mailbox `ada` of order 17 is full");
        let b = fingerprint("smtp", "551 5.1.9 mailbox `bob` of order 18 is full");
        assert_eq!(a, b);
        assert_ne!(a, fingerprint("smtp", "550 5.1.1 mailbox `ada` of order 17 is closed"));
        assert_ne!(a, fingerprint("http", "550 5.1.1 mailbox `ada` of order 17 is full"));
    }

    #[test]
    fn addresses_and_phone_numbers_are_scrubbed() {
        assert_eq!(
            scrub("550 <ada@example.org>: no such user, call +49(30)1234567\r\nnow"),
            "550 <address> no such user, call <phone>  now"
        );
    }

    #[test]
    fn phone_numbers_are_scrubbed_however_they_are_grouped() {
        for number in
            ["+49 30 1234567", "+1 (555) 010-9999", "+49/30/1234567", "tel:+4930.1234567", "+49\u{a0}301234567"]
        {
            let clean = scrub(&format!("no route to {number}, gave up"));
            assert!(clean.ends_with("<phone>, gave up"), "{clean}");
        }
        assert_eq!(scrub("+12 ms, 3+4"), "+12 ms, 3+4");
    }

    #[test]
    fn a_long_error_is_cut_at_a_character() {
        assert!(scrub(&"ü".repeat(5000)).len() <= MAX_ERROR);
    }
}
