//! The words by which recipients stop messages, and have them again.

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
}

/// The words that carriers and Twilio take for it in English.
/// <https://help.twilio.com/articles/223134027-Twilio-support-for-opt-out-keywords-SMS-STOP-filtering->
const STOP: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"];
const START: [&str; 3] = ["START", "YES", "UNSTOP"];

/// What a message asks for, if it is one of the words and nothing else: "please don't stop" is no wish.
pub(super) fn wish(text: &str) -> Option<Wish> {
    let word = text.trim();
    let among = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    match () {
        () if among(&STOP) => Some(Wish::Stop),
        () if among(&START) => Some(Wish::Start),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_that_is_one_of_the_words_is_a_wish() {
        for text in
            ["STOP", "stop", "  Stop\r\n", "UnSubscribe", "stopall", "Cancel", "END", "quit", "optout", "revoke"]
        {
            assert_eq!(wish(text), Some(Wish::Stop), "{text:?}");
        }
        for text in ["START", "yes", "\tunstop "] {
            assert_eq!(wish(text), Some(Wish::Start), "{text:?}");
        }
        for text in ["", "STOP it", "don't stop", "STOP.", "s top", "ＳＴＯＰ", "HELP", "no"] {
            assert_eq!(wish(text), None, "{text:?}");
        }
    }
}
