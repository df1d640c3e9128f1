//! Phone numbers, parsed once at the edge.

use std::{fmt, str::FromStr};

/// A phone number in E.164 form: `+4930123456`.
///
/// Its `Debug` hides it, like any personal data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// The text is not a phone number in E.164 form. It doesn't repeat the text: that is personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the phone number is not in E.164 form such as +4930123456: {0}")]
pub struct PhoneError(&'static str);

impl PhoneNumber {
    /// The number. Call it only where it leaves for its purpose.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The number without its `+`.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        if text.starts_with("00") {
            return Err(PhoneError("it begins with 00: write + instead"));
        }
        let digits = text.strip_prefix('+').ok_or(PhoneError("it doesn't begin with + and the country code"))?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PhoneError("only digits may follow the +, without spaces, dashes or brackets"));
        }
        if digits.starts_with('0') {
            return Err(PhoneError("no country code begins with 0"));
        }
        match digits.len() {
            0..7 => Err(PhoneError("it has fewer than 7 digits")),
            7..=15 => Ok(Self(text.to_owned())),
            _ => Err(PhoneError("it has more than 15 digits")),
        }
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phone]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_e164_form_is_taken_and_hidden() {
        let number: PhoneNumber = "+4930123456".parse().unwrap();
        assert_eq!((number.expose(), number.digits()), ("+4930123456", "4930123456"));
        assert_eq!(format!("{number:?}"), "[phone]");
    }

    #[test]
    fn each_mistake_is_named_and_the_number_is_not_repeated() {
        for (text, why) in [
            ("", "begin with +"),
            ("4477001234", "begin with +"),
            ("004930123456", "write + instead"),
            ("+49 30 123456", "only digits"),
            ("+49-30-123456", "only digits"),
            ("+49３0123456", "only digits"),
            ("+04930123456", "country code begins with 0"),
            ("+44770", "fewer than 7"),
            ("+4477001234567890", "more than 15"),
            ("+4930123456\r\nBcc: x", "only digits"),
            ("+", "fewer than 7"),
        ] {
            let error = text.parse::<PhoneNumber>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(text.len() < 7 || !error.contains(text), "{error}");
        }
    }
}
