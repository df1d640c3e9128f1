//! The table of all settings of the functions and of the worker: what they are called, what they default to, what they must
//! look like and what they do. Parsing, error messages and the second part of `docs/CONFIG.md` are made from it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use sendoff_consumers::channels::email::Sender;
use sendoff_host::{
    config::rules::{address, bytes, count, days, duration, optional, path, sender, text},
    settings,
};

use super::{
    Consumers,
    rules::{arn, cache_url, consumers, log_level, namespace, queue_url_base, smtp_url},
};
use crate::LogLevel;

settings! {
    /// Every setting. What nothing is given for, and has no default, is `None`; [`Need`](super::Need) says what a program
    /// can't do without.
    pub struct Settings, draft Draft, table SETTINGS;

    /// The table of records, request keys and the outbox.
    table: Option<String> {
        key: "SENDOFF_TABLE", env: Some("SENDOFF_TABLE"), default: Some(""), secret: false,
        rule: optional(text("the name of a DynamoDB table"))
    }
    /// The table of what was handled already.
    inbox_table: Option<String> {
        key: "SENDOFF_INBOX_TABLE", env: Some("SENDOFF_INBOX_TABLE"), default: Some(""), secret: false,
        rule: optional(text("the name of a DynamoDB table"))
    }
    /// The stream of the table of records, for the worker: with it, the worker runs the reaction to changes. A function is
    /// given the changes and needs no name for them.
    stream_arn: Option<String> {
        key: "SENDOFF_STREAM_ARN", env: Some("SENDOFF_STREAM_ARN"), default: Some(""), secret: false,
        rule: optional(arn("dynamodb"))
    }
    /// The topic that all events go to.
    topic_arn: Option<String> {
        key: "SENDOFF_TOPIC_ARN", env: Some("SENDOFF_TOPIC_ARN"), default: Some(""), secret: false,
        rule: optional(arn("sns"))
    }
    /// What the URL of every queue begins with; a consumer's name follows, and `-dlq` for its dead-letter queue.
    queue_url_base: Option<String> {
        key: "SENDOFF_QUEUE_URL_BASE", env: Some("SENDOFF_QUEUE_URL_BASE"), default: Some(""), secret: false,
        rule: optional(queue_url_base())
    }
    /// The bucket of the event bodies that are too large for a message.
    bucket: Option<String> {
        key: "SENDOFF_BUCKET", env: Some("SENDOFF_BUCKET"), default: Some(""), secret: false,
        rule: optional(text("the name of an S3 bucket"))
    }
    /// The state machine that runs workflows.
    runs_arn: Option<String> {
        key: "SENDOFF_RUNS_ARN", env: Some("SENDOFF_RUNS_ARN"), default: Some(""), secret: false,
        rule: optional(arn("states"))
    }
    /// The group that schedules stand in.
    schedule_group: Option<String> {
        key: "SENDOFF_SCHEDULE_GROUP", env: Some("SENDOFF_SCHEDULE_GROUP"), default: Some(""), secret: false,
        rule: optional(text("the name of a schedule group of EventBridge Scheduler"))
    }
    /// The role that EventBridge Scheduler sends messages with.
    schedule_role_arn: Option<String> {
        key: "SENDOFF_SCHEDULE_ROLE_ARN", env: Some("SENDOFF_SCHEDULE_ROLE_ARN"), default: Some(""), secret: false,
        rule: optional(arn("iam"))
    }
    /// The largest event body that travels in a message; a larger one goes into the bucket, and the message carries a
    /// pointer. SNS and SQS take 256 KiB with all attributes.
    topic_limit: usize {
        key: "SENDOFF_TOPIC_LIMIT", env: Some("SENDOFF_TOPIC_LIMIT"), default: Some("255 KiB"), secret: false,
        rule: bytes(1024..=256 * 1024)
    }
    /// How long the record of what was handled is kept. It must outlive every possible replay: an older message is parked,
    /// not run. What is in doubt is kept forever.
    inbox_keep: Duration {
        key: "SENDOFF_INBOX_KEEP_DAYS", env: Some("SENDOFF_INBOX_KEEP_DAYS"), default: Some("90"), secret: false,
        rule: days(2..=3650)
    }
    /// The sender of every mail.
    mail_from: Option<Sender> {
        key: "SENDOFF_MAIL_FROM", env: Some("SENDOFF_MAIL_FROM"), default: Some(""), secret: false,
        rule: optional(sender())
    }
    /// The mail server. User and password are percent-encoded. Rather name a secret: what stands in a function's environment
    /// can be read by whoever may look at the function.
    smtp_url: Option<SecretString> {
        key: "SMTP_URL", env: Some("SMTP_URL"), default: Some(""), secret: true,
        rule: optional(smtp_url())
    }
    /// A file that holds what `SMTP_URL` would.
    smtp_url_file: Option<PathBuf> {
        key: "SMTP_URL_FILE", env: Some("SMTP_URL_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the address of a mail server"))
    }
    /// A secret of Secrets Manager that holds what `SMTP_URL` would.
    smtp_url_arn: Option<String> {
        key: "SMTP_URL_ARN", env: Some("SMTP_URL_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// A secret of Secrets Manager that holds the keys that bearer tokens are checked with, as JSON.
    auth_keys_arn: Option<String> {
        key: "SENDOFF_AUTH_KEYS_ARN", env: Some("SENDOFF_AUTH_KEYS_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// A file that holds the same.
    auth_keys_file: Option<PathBuf> {
        key: "SENDOFF_AUTH_KEYS_FILE", env: Some("SENDOFF_AUTH_KEYS_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the keys as JSON"))
    }
    /// The cache that the processes share, beside each one's own memory. Without one there is only the memory.
    cache_url: Option<SecretString> {
        key: "SENDOFF_CACHE_URL", env: Some("SENDOFF_CACHE_URL"), default: Some(""), secret: true,
        rule: optional(cache_url())
    }
    /// A secret of Secrets Manager that holds what `SENDOFF_CACHE_URL` would.
    cache_url_arn: Option<String> {
        key: "SENDOFF_CACHE_URL_ARN", env: Some("SENDOFF_CACHE_URL_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// The namespace of the functions' metrics in CloudWatch.
    metrics_namespace: String {
        key: "SENDOFF_METRICS_NAMESPACE", env: Some("SENDOFF_METRICS_NAMESPACE"), default: Some("Sendoff"), secret: false,
        rule: namespace()
    }
    /// What is logged, as JSON lines: by a function on stdout, by the worker on stderr.
    log_level: LogLevel {
        key: "SENDOFF_LOG_LEVEL", env: Some("SENDOFF_LOG_LEVEL"), default: Some("info"), secret: false,
        rule: log_level()
    }
    /// Which consumer a function is. It is made for one and knows which: this is for whoever looks at the template, and for
    /// the checks of it.
    consumer: Option<String> {
        key: "SENDOFF_CONSUMER", env: Some("SENDOFF_CONSUMER"), default: Some(""), secret: false,
        rule: optional(text("the name of a consumer"))
    }
    /// Which consumers the worker runs.
    consumers: Consumers {
        key: "SENDOFF_CONSUMERS", env: Some("SENDOFF_CONSUMERS"), default: Some("all"), secret: false,
        rule: consumers()
    }
    /// How many messages each consumer of the worker handles at a time.
    concurrency: usize {
        key: "SENDOFF_WORKER_CONCURRENCY", env: Some("SENDOFF_WORKER_CONCURRENCY"), default: Some("64"), secret: false,
        rule: count(1..=1024)
    }
    /// How long a message is leased to the worker at first. A running handler's lease is extended; after a crash the message
    /// is delivered again once its lease has lapsed. SQS takes whole seconds.
    lease: Duration {
        key: "SENDOFF_WORKER_LEASE", env: Some("SENDOFF_WORKER_LEASE"), default: Some("60s"), secret: false,
        rule: duration(2..=43_200)
    }
    /// How long the worker's running handlers may go on after a stop was requested. What isn't finished by then is delivered
    /// again. Let the container's own stop timeout be a few seconds longer.
    grace: Duration {
        key: "SENDOFF_WORKER_GRACE", env: Some("SENDOFF_WORKER_GRACE"), default: Some("25s"), secret: false,
        rule: duration(0..=3600)
    }
    /// Where the worker answers `GET /healthz`, `/readyz` and `/metrics`: by default to everybody who reaches the container,
    /// as probes come from outside it. No data shows there.
    listen: SocketAddr {
        key: "SENDOFF_LISTEN", env: Some("SENDOFF_LISTEN"), default: Some("0.0.0.0:8080"), secret: false,
        rule: address()
    }
}
