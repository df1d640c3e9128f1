//! `sendoff mail`: what the mail server inside the process has received.

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
    sink::{Mailbox, ReceivedMail},
};

use super::args::{self, Output, TextOrJson};

pub(super) fn run(config: &Config, command: &args::Mail) -> Result<Exit, Stopped> {
    let mailbox = Mailbox::of(&config.settings.data);
    match command {
        args::Mail::Ls { output } => list(&mailbox.list()?, *output),
        args::Mail::Show { id, output: TextOrJson::Json } => Ok(print::json(&mailbox.read(id)?).map(|()| Exit::Done)?),
        args::Mail::Show { id, output: TextOrJson::Text } => {
            Ok(print::data(page(&mailbox.read(id)?)).map(|()| Exit::Done)?)
        }
    }
}

fn list(mails: &[ReceivedMail], output: Output) -> Result<Exit, Stopped> {
    match output {
        Output::Table => {
            let row = |m: &ReceivedMail| {
                [m.id.clone(), format!("{:.3}", m.received_at), m.to.join(", "), print::one_line(&m.subject)]
            };
            print::data(print::table(["ID", "RECEIVED", "TO", "SUBJECT"], mails.iter().map(row)))?;
        }
        Output::Json => print::json(&mails)?,
        Output::Ndjson => mails.iter().try_for_each(print::json_line)?,
    }
    if mails.is_empty() {
        print::prose("there is no mail yet");
        return Ok(Exit::NothingMatched);
    }
    Ok(Exit::Done)
}

fn page(mail: &ReceivedMail) -> String {
    let ReceivedMail { id, received_at, to, from, subject, text, html, size } = mail;
    let html = if html.is_some() { "with an HTML part (--output json shows it)" } else { "without an HTML part" };
    let (to, from, subject) = (print::one_line(&to.join(", ")), print::one_line(from), print::one_line(subject));
    format!(
        "Id:       {id}\nReceived: {received_at:.3}\nFrom:     {from}\nTo:       {to}\nSubject:  {subject}\nSize:     {size} \
         bytes, {html}\n\n{}\n",
        print::lines(text)
    )
}
