//! The rules that only settings of this backend keep.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use sendoff_consumers::{
    channels::{
        email::SmtpUrl,
        push::ServiceAccount,
        twilio::{AccountSid, TwilioSender},
        webhook::Allowed,
    },
    routing::Routing,
    templates::Templates,
};
use sendoff_host::{
    config::{
        Rule,
        rules::{explained, rule},
    },
    connections::{ConnectionSettings, read_json},
};
use sendoff_producers::model::Channel;
use sendoff_workflows::{asl::Functions, plan::Action};

use super::Consumers;
use crate::LogLevel;

/// The name of a resource of one service: `arn:aws:sns:eu-central-1:123456789012:events`.
pub(super) fn arn(service: &'static str) -> Rule<String> {
    rule(format!("an ARN that begins with `arn:aws:{service}:`"), move |text| {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let whole = parts.len() == 6 && parts[0] == "arn" && !parts[1].is_empty() && !parts[5].is_empty();
        (whole && parts[2] == service && !text.contains(char::is_whitespace)).then(|| text.to_owned())
    })
}

/// The common beginning of the names of all state machines.
pub(super) fn runs_prefix() -> Rule<String> {
    rule("1 to 38 letters, digits, `-` and `_`, such as `sendoff-run`", |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        ((1..=38).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
    })
}

/// The functions that workflows call.
pub(super) fn functions() -> Rule<Functions> {
    explained("a JSON object of ARNs of Lambda functions by the action, and by `steps`", |text| {
        let mut arns: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let is_function = |text: &str| {
            let parts: Vec<_> = text.split(':').collect();
            let whole = (7..=8).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty());
            whole && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "function" && text.len() <= 170
        };
        if let Some((name, arn)) = arns.iter().find(|(_, arn)| !is_function(arn)) {
            return Err(format!("`{name}` has `{arn}`, which is no ARN of a function"));
        }
        let steps = arns.remove("steps").ok_or("`steps` is missing")?;
        let named = |name: &String| Action::ALL.into_iter().find(|action| action.name() == *name);
        let mut actions = BTreeMap::new();
        for (name, arn) in arns {
            let Some(action) = named(&name) else {
                let all: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
                return Err(format!("there is no action `{name}`, only {} and `steps`", all.join(", ")));
            };
            actions.insert(action, arn);
        }
        Ok(Functions::at(actions, steps))
    })
}

/// The common beginning of the URLs of all queues.
pub(super) fn queue_url_base() -> Rule<String> {
    let says = "what the URLs of all queues begin with, up to the consumer's name, such as \
                `https://sqs.eu-central-1.amazonaws.com/123456789012/sendoff-`";
    rule(says, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (host, path) = rest.split_once('/')?;
        (!host.is_empty() && !path.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_owned())
    })
}

/// The address of a mail server. It stays a secret until it is used.
pub(super) fn smtp_url() -> Rule<SecretString> {
    explained("the address of a mail server, such as `smtps://user:password@mail.example.org`", |text| {
        text.parse::<SmtpUrl>().map(|_| SecretString::from(text))
    })
}

/// The address of a cache.
pub(super) fn cache_url() -> Rule<SecretString> {
    rule("the address of a Valkey or Redis server, such as `rediss://:password@cache.example.org:6379`", |text| {
        let host = text.strip_prefix("rediss://").or_else(|| text.strip_prefix("redis://"))?;
        (!host.is_empty() && !text.contains(char::is_whitespace)).then(|| SecretString::from(text))
    })
}

/// A namespace of CloudWatch
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>).
pub(super) fn namespace() -> Rule<String> {
    rule("1 to 255 letters, digits and `.-_/#`, and not begin with `AWS/`, such as `Sendoff/production`", |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
        ((1..=255).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with("AWS/"))
            .then(|| text.to_owned())
    })
}

/// What is logged.
pub(super) fn log_level() -> Rule<LogLevel> {
    explained(
        "`error`, `warn`, `info`, `debug` or `trace`, or a list such as `info,sendoff_consumers=debug`",
        str::parse,
    )
}

/// Which consumers run.
pub(super) fn consumers() -> Rule<Consumers> {
    rule("`all`, or names of consumers with commas between them, such as `email,workflow-kickoff`", |text| {
        if text == "all" {
            return Some(Consumers::All);
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let allowed = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        names.iter().all(allowed).then_some(Consumers::These(names))
    })
}

/// Channels by their names.
pub(super) fn channels() -> Rule<BTreeSet<Channel>> {
    rule("`email`, `sms`, `whatsapp` and `push`, those that there are, with commas between them", |text| {
        let named = |name: &str| Channel::ALL.into_iter().find(|channel| channel.name() == name.trim());
        text.split(',').map(named).collect()
    })
}

/// An account at Twilio.
pub(super) fn account_sid() -> Rule<AccountSid> {
    rule("the SID of a Twilio account: `AC` and 32 hexadecimal digits", |text| text.parse().ok())
}

/// Who text messages are from.
pub(super) fn sms_sender() -> Rule<TwilioSender> {
    explained("a phone number such as `+4930123456`, a short code, a name, or a Messaging Service (`MG…`)", str::parse)
}

/// Who WhatsApp messages are from.
pub(super) fn whatsapp_sender() -> Rule<TwilioSender> {
    explained("a phone number such as `+4930123456`, or a Messaging Service (`MG…`)", TwilioSender::for_whatsapp)
}

/// An id of digits.
pub(super) fn digits(says: &'static str) -> Rule<String> {
    rule(says, |text| {
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.to_owned())
    })
}

/// A service account of Firebase. It stays a secret until it is used.
pub(super) fn service_account() -> Rule<SecretString> {
    explained("the JSON of a service account of Firebase", |text| {
        let secret = SecretString::from(text);
        ServiceAccount::parse(&secret).map(|_| secret)
    })
}

/// A server that webhooks may call whatever it is.
pub(super) fn allowed() -> Rule<Allowed> {
    explained("`host:port`", str::parse)
}

/// Who is told of what.
pub(super) fn routing() -> Rule<Routing> {
    explained("routing rules as JSON", |text| {
        let templates = Templates::standard().map_err(|error| error.to_string())?;
        Routing::parse(text, &templates).map_err(|error| error.to_string())
    })
}

/// The systems that workflows may call.
pub(super) fn connections() -> Rule<Vec<ConnectionSettings>> {
    explained("connections by name, as JSON", |text| {
        let mut problems = Vec::new();
        let found = read_json("SENDOFF_CONNECTIONS", text, &mut problems);
        let told = problems.iter().map(|problem| format!("{}: {}", problem.key, problem.rule)).collect::<Vec<_>>();
        if told.is_empty() { Ok(found) } else { Err(told.join("; ")) }
    })
}

/// Which contents of Twilio our templates are.
pub(super) fn content_sids() -> Rule<String> {
    explained("`template/language=HX…`, several with commas between them", |text| {
        let templates = Templates::standard().map_err(|error| error.to_string())?;
        templates.with_content_sids(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
    })
}
