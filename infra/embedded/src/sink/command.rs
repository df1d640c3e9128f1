//! What a client may say (RFC 5321 § 4.1).

use super::address::path;

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Helo { extended: bool, name: String },
    Mail { from: String, size: Option<u64> },
    Rcpt { to: String },
    Data,
    Rset,
    Noop,
    Vrfy,
    Quit,
}

/// A line that is no command we take. Holds the reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

impl Command {
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(line).map_err(|_| Refused("500 5.5.2 commands are ASCII"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return Err(Refused("500 5.5.2 commands are ASCII without control characters"));
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match &*verb.to_ascii_uppercase() {
            "EHLO" | "HELO" => {
                let name = rest.trim();
                if name.is_empty() || name.contains(' ') {
                    return Err(Refused("501 5.5.4 say your name: EHLO host.example"));
                }
                Ok(Self::Helo { extended: verb.eq_ignore_ascii_case("EHLO"), name: name.into() })
            }
            "MAIL" => mail(rest),
            "RCPT" => rcpt(rest),
            "DATA" if rest.is_empty() => Ok(Self::Data),
            "DATA" => Err(Refused("501 5.5.4 DATA has no parameters")),
            "RSET" => Ok(Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "QUIT" => Ok(Self::Quit),
            "STARTTLS" | "AUTH" | "EXPN" | "HELP" | "BDAT" | "TURN" => Err(Refused("502 5.5.1 not offered here")),
            _ => Err(Refused("500 5.5.2 no such command")),
        }
    }
}

fn after<'t>(text: &'t str, keyword: &str) -> Option<&'t str> {
    let (found, rest) = text.split_at_checked(keyword.len())?;
    found.eq_ignore_ascii_case(keyword).then_some(rest)
}

fn mail(rest: &str) -> Result<Command, Refused> {
    let (from, parameters) =
        after(rest, "FROM:").and_then(path).ok_or(Refused("501 5.1.7 it reads MAIL FROM:<address>"))?;
    let mut size = None;
    for parameter in parameters.split_whitespace() {
        match parameter.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("SIZE") => {
                size = Some(value.parse().map_err(|_| Refused("501 5.5.4 SIZE is a number"))?);
            }
            Some((key, value))
                if key.eq_ignore_ascii_case("BODY")
                    && ["7BIT", "8BITMIME"].iter().any(|known| value.eq_ignore_ascii_case(known)) => {}
            _ => return Err(Refused("555 5.5.4 no such parameter")),
        }
    }
    Ok(Command::Mail { from: from.into(), size })
}

fn rcpt(rest: &str) -> Result<Command, Refused> {
    match after(rest, "TO:").and_then(path) {
        Some(("", _)) | None => Err(Refused("501 5.1.3 it reads RCPT TO:<address>")),
        Some((_, parameters)) if !parameters.is_empty() => Err(Refused("555 5.5.4 no such parameter")),
        Some((to, _)) => Ok(Command::Rcpt { to: to.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_in_any_case() {
        let mail = |from: &str, size| Ok(Command::Mail { from: from.into(), size });
        assert_eq!(Command::parse(b"mail from:<a@b> size=10 body=8bitmime\r\n"), mail("a@b", Some(10)));
        assert_eq!(Command::parse(b"MAIL FROM: <>\n"), mail("", None));
        assert_eq!(Command::parse(b"Rcpt To:<a@b>\r\n"), Ok(Command::Rcpt { to: "a@b".into() }));
        let helo = Command::Helo { extended: false, name: "x".into() };
        assert_eq!(Command::parse(b"HELO x\r\n"), Ok(helo));
    }

    #[test]
    fn what_is_no_command_gets_the_right_class_of_no() {
        for (line, code) in [
            (&b"\r\n"[..], "500"),
            (b"\xff\xfe\r\n", "500"),
            (b"MAIL FROM:<a\0@b>\r\n", "500"),
            (b"GET / HTTP/1.1\r\n", "500"),
            (b"EHLO\r\n", "501"),
            (b"MAIL <a@b>\r\n", "501"),
            (b"MAIL FROM:a@b\r\n", "501"),
            (b"MAIL FROM:<a@b> SIZE=big\r\n", "501"),
            (b"MAIL FROM:<a@b> SMTPUTF8\r\n", "555"),
            (b"RCPT TO:<>\r\n", "501"),
            (b"RCPT TO:<a@b> NOTIFY=NEVER\r\n", "555"),
            (b"DATA now\r\n", "501"),
            (b"STARTTLS\r\n", "502"),
        ] {
            let Refused(reply) = Command::parse(line).unwrap_err();
            assert!(reply.starts_with(code), "{line:?}: {reply}");
        }
    }
}
