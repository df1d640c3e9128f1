//! `sendoff messages`: what the servers inside the process have received for the other channels.

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
    sink::{Messages, ReceivedMessage},
};

use super::args::{self, Output, TextOrJson};

pub(super) fn run(config: &Config, command: &args::Messages) -> Result<Exit, Stopped> {
    let messages = Messages::of(&config.settings.data);
    match command {
        args::Messages::Ls { channel, output } => list(&messages.list(*channel)?, *output),
        args::Messages::Show { id, output } => {
            let message = messages.read(id)?;
            match output {
                TextOrJson::Json => print::json(&message)?,
                TextOrJson::Text => print::data(page(&message))?,
            }
            Ok(Exit::Done)
        }
    }
}

fn list(messages: &[ReceivedMessage], output: Output) -> Result<Exit, Stopped> {
    match output {
        Output::Table => {
            let row = |m: &ReceivedMessage| {
                let (to, text) = (print::one_line(&m.to), print::one_line(&m.text));
                [m.id.clone(), format!("{:.3}", m.received_at), m.channel.word().to_owned(), to, text]
            };
            print::data(print::table(["ID", "RECEIVED", "CHANNEL", "TO", "TEXT"], messages.iter().map(row)))?;
        }
        Output::Json => print::json(&messages)?,
        Output::Ndjson => messages.iter().try_for_each(print::json_line)?,
    }
    if messages.is_empty() {
        print::prose("there is no message yet");
        return Ok(Exit::NothingMatched);
    }
    Ok(Exit::Done)
}

fn page(message: &ReceivedMessage) -> String {
    let ReceivedMessage { id, received_at, channel, provider, provider_id, to, from, text, delivery, .. } = message;
    let (to, from) = (print::one_line(to), print::one_line(from.as_deref().unwrap_or("-")));
    let (provider_id, delivery) = (print::one_line(provider_id), print::one_line(delivery.as_deref().unwrap_or("-")));
    let channel = channel.word();
    format!(
        "Id:       {id}\nReceived: {received_at:.3}\nChannel:  {channel}, by the API of {provider}, as {provider_id}\nFrom:     \
         {from}\nTo:       {to}\nDelivery: {delivery}\n\n{}\n\nThe whole request: --output json\n",
        print::lines(text)
    )
}
