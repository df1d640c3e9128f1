//! What a program can't do without.

use std::collections::BTreeSet;

use sendoff_host::config::{ConfigError, Problem, Source};

use super::table::SETTINGS;

/// Something that a program can't do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The table of records.
    Table,
    /// The table of what was handled.
    InboxTable,
    /// The stream of changes, by name.
    Stream,
    /// The topic.
    Topic,
    /// The queues.
    Queues,
    /// The bucket of large bodies.
    Bucket,
    /// State machines that there are: the role of their runs, whose account they stand in, and the beginning of their names.
    Machines,
    /// Making state machines: the same, and the functions that they call.
    Runs,
    /// Runs that are looked at: the role that they act under, in whose account they stand.
    Run,
    /// Schedules: their group, and the role that they send with.
    Schedules,
    /// A mail server and a sender.
    Mail,
    /// The public address, and what links below it are signed with.
    Links,
    /// A sender of text messages.
    Sms,
    /// A sender of WhatsApp messages.
    Whatsapp,
    /// An account at Twilio.
    Twilio,
    /// An access token of Meta.
    Meta,
    /// A service account for push messages.
    Push,
    /// The keys that tokens are checked with.
    AuthKeys,
}

/// Variables of which one must be given, and not more.
type OneOf = &'static [&'static str];

/// Of what can be given in several ways, only one may be.
const ONE_AT_MOST: [OneOf; 10] = [
    SMTP,
    AUTH_KEYS,
    &["SENDOFF_CACHE_URL", "SENDOFF_CACHE_URL_ARN"],
    &["SMTP_FALLBACK_URL", "SMTP_FALLBACK_URL_FILE", "SMTP_FALLBACK_URL_ARN"],
    LINK_SECRET,
    TWILIO_TOKEN,
    META_TOKEN,
    META_APP,
    META_VERIFY,
    FCM,
];

/// What something makes no sense without.
const IMPLIED: [(OneOf, &[OneOf]); 7] = [
    (SENDERS, TWILIO),
    // The token alone is for callbacks.
    (&["TWILIO_ACCOUNT_SID"], &[SENDERS, TWILIO_TOKEN]),
    // To send, or to tell from the number what is said to it.
    (META_NUMBER, &[META_USE]),
    (META_TOKEN, &[META_NUMBER]),
    (META_APP, &[META_VERIFY]),
    (META_VERIFY, &[META_APP]),
    (LINK_SECRET, &[&["SENDOFF_PUBLIC_URL"]]),
];

const SENDERS: OneOf = &["TWILIO_SMS_FROM", "TWILIO_WHATSAPP_FROM"];
const META_NUMBER: OneOf = &["META_PHONE_NUMBER_ID"];
const LINK_SECRET: OneOf = &["SENDOFF_LINK_SECRET", "SENDOFF_LINK_SECRET_FILE", "SENDOFF_LINK_SECRET_ARN"];
const TWILIO_TOKEN: OneOf = &["TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_FILE", "TWILIO_AUTH_TOKEN_ARN"];
const TWILIO: &[OneOf] = &[&["TWILIO_ACCOUNT_SID"], TWILIO_TOKEN];
const META_TOKEN: OneOf = &["META_ACCESS_TOKEN", "META_ACCESS_TOKEN_FILE", "META_ACCESS_TOKEN_ARN"];
const META_USE: OneOf = &[
    "META_ACCESS_TOKEN",
    "META_ACCESS_TOKEN_FILE",
    "META_ACCESS_TOKEN_ARN",
    "META_APP_SECRET",
    "META_APP_SECRET_FILE",
    "META_APP_SECRET_ARN",
];
const META_APP: OneOf = &["META_APP_SECRET", "META_APP_SECRET_FILE", "META_APP_SECRET_ARN"];
const META_VERIFY: OneOf = &["META_VERIFY_TOKEN", "META_VERIFY_TOKEN_FILE", "META_VERIFY_TOKEN_ARN"];
const FCM: OneOf = &["FCM_SERVICE_ACCOUNT", "FCM_SERVICE_ACCOUNT_FILE", "FCM_SERVICE_ACCOUNT_ARN"];
const SMTP: OneOf = &["SMTP_URL", "SMTP_URL_FILE", "SMTP_URL_ARN"];
const AUTH_KEYS: OneOf = &["SENDOFF_AUTH_KEYS_ARN", "SENDOFF_AUTH_KEYS_FILE"];

impl Need {
    const fn variables(self) -> &'static [OneOf] {
        match self {
            Self::Table => &[&["SENDOFF_TABLE"]],
            Self::InboxTable => &[&["SENDOFF_INBOX_TABLE"]],
            Self::Stream => &[&["SENDOFF_STREAM_ARN"]],
            Self::Topic => &[&["SENDOFF_TOPIC_ARN"]],
            Self::Queues => &[&["SENDOFF_QUEUE_URL_BASE"]],
            Self::Bucket => &[&["SENDOFF_BUCKET"]],
            Self::Machines => &[&["SENDOFF_RUNS_ROLE_ARN"], &["SENDOFF_RUNS_PREFIX"]],
            Self::Runs => &[&["SENDOFF_RUNS_ROLE_ARN"], &["SENDOFF_RUNS_PREFIX"], &["SENDOFF_FUNCTIONS"]],
            Self::Run => &[&["SENDOFF_RUNS_ROLE_ARN"]],
            Self::Schedules => &[&["SENDOFF_SCHEDULE_GROUP"], &["SENDOFF_SCHEDULE_ROLE_ARN"]],
            Self::Mail => &[&["SENDOFF_MAIL_FROM"], SMTP],
            Self::Links => &[&["SENDOFF_PUBLIC_URL"], LINK_SECRET],
            Self::Sms => &[&["TWILIO_SMS_FROM"]],
            Self::Whatsapp => &[&["TWILIO_WHATSAPP_FROM", "META_PHONE_NUMBER_ID"]],
            Self::Twilio => TWILIO,
            Self::Meta => &[META_TOKEN],
            Self::Push => &[FCM],
            Self::AuthKeys => &[AUTH_KEYS],
        }
    }

    /// Everything of it is missing.
    pub(crate) fn missing(self) -> ConfigError {
        let mut problems = Vec::new();
        check(&[self], |_| false, &mut problems);
        ConfigError { problems }
    }
}

/// Adds what is needed and not given, and what is given twice, to the problems.
pub(super) fn check(needs: &[Need], given: impl Fn(&str) -> bool, problems: &mut Vec<Problem>) {
    let problem = |name: &str, rule| Problem {
        key: name.to_owned(),
        source: Source::Variable(name.to_owned()),
        value: None,
        rule,
        suggestion: None,
    };
    let implied =
        IMPLIED.iter().filter(|(any, _)| any.iter().any(|name| given(name))).flat_map(|(_, implied)| *implied);
    let needed: BTreeSet<OneOf> = needs.iter().flat_map(|need| need.variables()).chain(implied).copied().collect();
    for one_of in &needed {
        if let [first, others @ ..] = one_of
            && !one_of.iter().any(|name| given(name))
        {
            let says = SETTINGS.iter().find(|s| s.key == *first).map_or_else(String::new, |s| (s.says)().into_owned());
            let instead =
                if others.is_empty() { String::new() } else { format!(" ({} would do)", others.join(" or ")) };
            let rule = format!(
                "is missing{instead}: this program needs it, and infra/aws/template.yaml sets it. It must be {says}"
            );
            problems.push(problem(first, rule));
        }
    }
    for one_of in ONE_AT_MOST {
        let mut twice = one_of.iter().filter(|name| given(name));
        if let (Some(first), Some(second)) = (twice.next(), twice.next()) {
            problems.push(problem(second, format!("is given beside {first}: give one of them")));
        }
    }
}
