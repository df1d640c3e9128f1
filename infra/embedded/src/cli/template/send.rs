//! `sendoff template send`.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use sendoff_consumers::{
    NotSent, SendOutcome,
    channels::{email::Mail, push::Push, sms::Sms, whatsapp::Whatsapp},
    templates::{Rendered, Templates},
};
use sendoff_embedded::{
    TestMessage, TestSender,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::Personal;
use serde_json::json;

use super::{
    args::Send,
    input::{Material, unknown},
};
use crate::cli::args::TextOrJson;

pub(super) async fn run(config: &Config, templates: &Templates, args: &Send) -> Result<Exit, Stopped> {
    let (channel, name) = (args.channel, &args.text.name);
    let language = templates.language(channel, name, &args.text.locale).map_err(unknown)?;
    let material = Material::of(&args.text)?;
    let rendered = material.render(templates, channel, name, language)?;
    let sender = TestSender::start(config).await?;
    let ended = post(config, &sender, args, rendered).await;
    let is_real = sender.is_real(channel);
    sender.stop().await?;
    let (outcome, provider) = ended?;
    material.tell();
    let exit = told(&outcome, provider, args.output)?;
    if exit == Exit::Done && !is_real {
        print::prose("nothing left this machine: `sendoff mail ls` and `sendoff messages ls` have it");
    }
    Ok(exit)
}

/// Sends it, unless a guard stands before it.
async fn post(
    config: &Config,
    sender: &TestSender,
    args: &Send,
    rendered: Rendered,
) -> Result<(SendOutcome, &'static str), Stopped> {
    let (channel, name) = (args.channel, &args.text.name);
    let off =
        || Stopped::new(Exit::Usage, format!("no provider for {} is configured: see docs/CONFIG.md", channel.name()));
    let provider = sender.provider(channel).ok_or_else(off)?;
    let message = message(config, sender, &args.to, rendered)?;
    if sender.is_real(channel) && !args.yes {
        let (to, channel) = (print::one_line(&args.to), channel.name());
        let why = format!("this would send `{name}` by {channel} to {to}, for real, through {provider}; --yes does it");
        return Err(Stopped::new(Exit::Refused, why));
    }
    Ok((sender.send(&message).await.ok_or_else(off)?, provider))
}

fn message(config: &Config, sender: &TestSender, to: &str, rendered: Rendered) -> Result<TestMessage, Stopped> {
    let idempotency_key = sender.fresh_key();
    Ok(match rendered {
        Rendered::Mail(content) => TestMessage::Mail(Mail {
            to: address(to)?,
            from: config.settings.mail_from.clone(),
            reply_to: None,
            subject: content.subject,
            html: content.html,
            text: content.text,
            idempotency_key,
            date: sender.now(),
            list_unsubscribe: None,
        }),
        Rendered::Sms(text) => TestMessage::Sms(Sms { to: address(to)?, text, idempotency_key }),
        Rendered::Whatsapp(content) => TestMessage::Whatsapp(Whatsapp { to: address(to)?, content, idempotency_key }),
        Rendered::Push(content) => TestMessage::Push(Push {
            token: Personal::new(to.to_owned()),
            title: content.title,
            body: content.body,
            data: BTreeMap::new(),
            idempotency_key,
        }),
    })
}

fn address<T: FromStr<Err: Display>>(text: &str) -> Result<Personal<T>, Stopped> {
    let parsed =
        text.parse().map_err(|why| Stopped::new(Exit::Usage, format!("--to: {}: {why}", print::one_line(text))));
    parsed.map(Personal::new)
}

/// What became of it.
fn told(outcome: &SendOutcome, provider: &str, output: TextOrJson) -> Result<Exit, Stopped> {
    let (exit, word, by, provider_id, reason) = match outcome {
        SendOutcome::Sent { provider: by, provider_id } => {
            (Exit::Done, "sent", by.as_deref(), provider_id.as_deref(), None)
        }
        SendOutcome::Skipped { reason } => (Exit::Failed, "skipped", None, None, Some(reason.as_str())),
        SendOutcome::NotSent(why) => (Exit::Failed, "not sent", None, None, Some(reason_of(why))),
        SendOutcome::Unknown { provider: by, reason } => {
            (Exit::InDoubt, "unknown", by.as_deref(), None, Some(reason.as_str()))
        }
    };
    let by = by.unwrap_or(provider);
    match output {
        TextOrJson::Json => {
            print::json(&json!({ "outcome": word, "provider": by, "provider_id": provider_id, "reason": reason }))?;
        }
        TextOrJson::Text => {
            let more = match (provider_id, reason) {
                (Some(id), _) => format!(" as {}", print::one_line(id)),
                (None, Some(reason)) => format!(": {}", print::one_line(reason)),
                (None, None) => String::new(),
            };
            print::data(format_args!("{word} by {by}{more}\n"))?;
        }
    }
    Ok(exit)
}

fn reason_of(why: &NotSent) -> &str {
    match why {
        NotSent::Permanent { reason }
        | NotSent::Gone { reason }
        | NotSent::Transient { reason }
        | NotSent::Throttled { reason, .. }
        | NotSent::NotYet { reason, .. }
        | NotSent::Unavailable { reason, .. } => reason,
    }
}
