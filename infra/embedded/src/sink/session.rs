//! The order in which commands may come: a state machine without IO.

use super::{
    SinkLimits,
    command::{Command, Refused},
};

/// Who a mail is from and who gets it, as SMTP was told; what its headers say is another matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) client: String,
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

/// What is to be done about a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Reply(String),
    /// Take the message of this envelope.
    TakeMessage(Envelope),
    /// Say goodbye and close.
    Close,
}

/// One client's conversation.
pub(super) struct Session {
    limits: SinkLimits,
    client: Option<String>,
    mail: Option<Envelope>,
}

impl Session {
    pub(super) const fn new(limits: SinkLimits) -> Self {
        Self { limits, client: None, mail: None }
    }

    pub(super) fn step(&mut self, line: &[u8]) -> Step {
        match Command::parse(line) {
            Ok(command) => self.follow(command),
            Err(Refused(reply)) => Step::Reply(reply.into()),
        }
    }

    fn follow(&mut self, command: Command) -> Step {
        let reply = match (command, &self.client, &mut self.mail) {
            (Command::Quit, ..) => return Step::Close,
            (Command::Noop, ..) => "250 2.0.0 ok".into(),
            (Command::Vrfy, ..) => "252 2.5.2 send it and it will be taken".into(),
            (Command::Helo { extended, name }, ..) => self.hello(extended, name),
            (Command::Rset, ..) => {
                self.mail = None;
                "250 2.0.0 ok".into()
            }
            (_, None, _) => "503 5.5.1 say EHLO first".into(),
            (Command::Mail { .. }, _, Some(_)) => "503 5.5.1 a mail has begun already; RSET forgets it".into(),
            (Command::Mail { size: Some(size), .. }, ..) if size > self.limits.message as u64 => {
                format!("552 5.3.4 a mail may have {} bytes", self.limits.message)
            }
            (Command::Mail { from, .. }, Some(client), None) => {
                self.mail = Some(Envelope { client: client.clone(), from, to: Vec::new() });
                "250 2.1.0 ok".into()
            }
            (Command::Rcpt { .. }, _, None) => "503 5.5.1 say MAIL first".into(),
            (Command::Rcpt { .. }, _, Some(mail)) if mail.to.len() >= self.limits.recipients => {
                "452 4.5.3 no more recipients in one mail".into()
            }
            (Command::Rcpt { to }, _, Some(mail)) => {
                mail.to.push(to);
                "250 2.1.5 ok".into()
            }
            (Command::Data, _, Some(mail)) if !mail.to.is_empty() => {
                let envelope = std::mem::take(mail);
                self.mail = None;
                return Step::TakeMessage(envelope);
            }
            (Command::Data, ..) => "503 5.5.1 say MAIL and RCPT first".into(),
        };
        Step::Reply(reply)
    }

    fn hello(&mut self, extended: bool, name: String) -> String {
        self.mail = None;
        self.client = Some(name);
        if !extended {
            return "250 sendoff".into();
        }
        let size = self.limits.message;
        format!("250-sendoff\r\n250-SIZE {size}\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(lines: &[&str]) -> Vec<String> {
        let mut session = Session::new(SinkLimits { recipients: 2, message: 100, ..SinkLimits::default() });
        let code = |step| match step {
            Step::Reply(reply) => reply[..3].to_owned(),
            Step::TakeMessage(envelope) => envelope.to.join("+"),
            Step::Close => "close".into(),
        };
        lines.iter().map(|line| code(session.step(line.as_bytes()))).collect()
    }

    #[test]
    fn a_mail_goes_through_in_the_right_order_only() {
        let (mail, rcpt) = ("MAIL FROM:<a@b>", "RCPT TO:<c@d>");
        assert_eq!(codes(&["EHLO x", mail, rcpt, "DATA", "QUIT"]), ["250", "250", "250", "c@d", "close"]);
        assert_eq!(codes(&[mail, rcpt, "DATA"]), ["503", "503", "503"]);
        assert_eq!(codes(&["EHLO x", rcpt, "DATA", mail, "DATA"]), ["250", "503", "503", "250", "503"]);
        assert_eq!(codes(&["EHLO x", mail, mail]), ["250", "250", "503"]);
        assert_eq!(codes(&["EHLO x", mail, rcpt, "RSET", "DATA"]), ["250", "250", "250", "250", "503"]);
        assert_eq!(codes(&["EHLO x", mail, rcpt, "EHLO y", "DATA"]), ["250", "250", "250", "250", "503"]);
        assert_eq!(codes(&["NOOP", "VRFY ada", "HELO x"]), ["250", "252", "250"]);
    }

    #[test]
    fn a_mail_that_is_announced_too_large_or_has_too_many_recipients_is_refused() {
        assert_eq!(codes(&["EHLO x", "MAIL FROM:<a@b> SIZE=101", "MAIL FROM:<a@b> SIZE=100"]), ["250", "552", "250"]);
        let rcpt = "RCPT TO:<c@d>";
        assert_eq!(codes(&["EHLO x", "MAIL FROM:<>", rcpt, rcpt, rcpt, "DATA"])[4..], ["452", "c@d+c@d"]);
    }
}
