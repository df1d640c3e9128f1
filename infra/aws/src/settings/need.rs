//! What a program can't do without.

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
    /// The state machine.
    Runs,
    /// Schedules: their group, and the role that they send with.
    Schedules,
    /// A mail server and a sender.
    Mail,
    /// The keys that tokens are checked with.
    AuthKeys,
}

/// Variables of which one must be given, and not more.
type OneOf = &'static [&'static str];

/// Of what can be given in several ways, only one may be.
const ONE_AT_MOST: [OneOf; 3] = [SMTP, AUTH_KEYS, &["SENDOFF_CACHE_URL", "SENDOFF_CACHE_URL_ARN"]];
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
            Self::Runs => &[&["SENDOFF_RUNS_ARN"]],
            Self::Schedules => &[&["SENDOFF_SCHEDULE_GROUP"], &["SENDOFF_SCHEDULE_ROLE_ARN"]],
            Self::Mail => &[&["SENDOFF_MAIL_FROM"], SMTP],
            Self::AuthKeys => &[AUTH_KEYS],
        }
    }

    /// Everything of it is missing.
    pub(super) fn missing(self) -> ConfigError {
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
    for one_of in needs.iter().flat_map(|need| need.variables()) {
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
