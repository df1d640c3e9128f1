//! What the server calls a mail that it took.

use lettre::transport::smtp::response::Response;

use crate::scrub;

/// The longest id that is kept.
const MAX: usize = 120;

/// What the reply to the message says beyond its codes and an "OK": `queued as 4XyZ`; nothing if it says no more.
pub(super) fn queue_id(reply: &Response) -> Option<String> {
    // The server may name the recipient in it.
    let line = scrub(reply.first_line()?);
    let is_code = |word: &str| word.split('.').count() == 3 && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_ok = |word: &str| word.trim_matches([':', ',', '.']).eq_ignore_ascii_case("ok");
    let words: Vec<_> = line.split_whitespace().skip_while(|word| is_code(word) || is_ok(word)).collect();
    let id: String = words.join(" ").chars().filter(|c| !c.is_control()).take(MAX).collect();
    // "Message accepted" names nothing.
    id.bytes().any(|b| b.is_ascii_digit()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_id_is_what_the_reply_says_beyond_ok() {
        for (reply, id) in [
            ("250 2.0.0 Ok: queued as 4XyZ1\r\n", Some("queued as 4XyZ1")),
            ("250 2.0.0 OK 1732450000 gsmtp\r\n", Some("1732450000 gsmtp")),
            ("250 Ok 0100018f-aaaa\r\n", Some("0100018f-aaaa")),
            ("250 2.6.0 Message accepted\r\n", None),
            ("250 Ok: queued as 4XyZ1 for ada@example.org\r\n", Some("queued as 4XyZ1 for <address>")),
            ("250 Ok: 7 told to +49 30 123456\r\n", Some("7 told to <phone>")),
            ("250 2.1.5 Ok <1@example.org>\r\n", None),
            ("250 OK\r\n", None),
            ("250 \r\n", None),
        ] {
            assert_eq!(queue_id(&reply.parse().unwrap()).as_deref(), id, "{reply}");
        }
    }
}
