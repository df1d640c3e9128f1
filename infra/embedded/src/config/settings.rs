//! The table of all settings: what they are called, what they default to, what they must look like and what they do.
//! Parsing, error messages and `docs/CONFIG.md` are made from it; a new setting is one entry here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use sendoff_consumers::channels::email::{Sender, SmtpUrl};
use sendoff_events::MAX_BODY_BYTES;
use sendoff_host::{
    config::{
        Rule,
        rules::{address, bytes, choice, count, days, duration, explained, optional, path, sender, smtp_url},
    },
    settings,
};

use crate::Durability;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Readable lines.
    Text,
    /// One JSON object a line.
    Json,
}

settings! {
    /// Every setting with its effective value.
    pub struct Settings, draft Draft, table SETTINGS;

    /// The folder that everything is kept in: the data file, large event bodies, received mail. Made when it is missing.
    data: PathBuf {
        key: "data", env: Some("SENDOFF_DATA"), default: Some(".sendoff"), secret: false,
        rule: path("a folder")
    }
    /// Where the API listens. Any address but a loopback one needs keys of your own (`auth.key`).
    listen: SocketAddr {
        key: "listen", env: Some("SENDOFF_LISTEN"), default: Some("127.0.0.1:8080"), secret: false,
        rule: address()
    }
    /// How hard a commit is written to the disk: with `full` it survives a power cut; with `normal` a power cut may lose the
    /// last commits, a crash of the process none.
    durability: Durability {
        key: "store.synchronous", env: Some("SENDOFF_STORE_SYNCHRONOUS"), default: Some("full"), secret: false,
        rule: choice(&[("full", Durability::Full), ("normal", Durability::Normal)])
    }
    /// The largest event body that travels in a message; a larger one goes into a file, and the message carries a pointer.
    topic_limit: usize {
        key: "topic.limit", env: Some("SENDOFF_TOPIC_LIMIT"), default: Some("256 KiB"), secret: false,
        rule: bytes(1024..=MAX_BODY_BYTES)
    }
    /// The largest request body that the API takes.
    max_body: usize {
        key: "api.max_body", env: Some("SENDOFF_API_MAX_BODY"), default: Some("1 MiB"), secret: false,
        rule: bytes(1024..=MAX_BODY_BYTES)
    }
    /// How many messages each consumer handles at a time.
    concurrency: usize {
        key: "worker.concurrency", env: Some("SENDOFF_WORKER_CONCURRENCY"), default: Some("64"), secret: false,
        rule: count(1..=1024)
    }
    /// How long a message is leased to a consumer at first. A running handler's lease is extended; after a crash the message
    /// is delivered again once its lease has lapsed.
    lease: Duration {
        key: "worker.lease", env: Some("SENDOFF_WORKER_LEASE"), default: Some("60s"), secret: false,
        rule: duration(2..=43_200)
    }
    /// How long running handlers may go on after a stop was requested. What isn't finished by then is delivered again.
    grace: Duration {
        key: "worker.grace", env: Some("SENDOFF_WORKER_GRACE"), default: Some("25s"), secret: false,
        rule: duration(0..=3600)
    }
    /// How long the record of what was handled is kept. It must outlive every possible replay: an older message is parked,
    /// not run. What is in doubt is kept forever.
    inbox_keep: Duration {
        key: "inbox.keep_days", env: Some("SENDOFF_INBOX_KEEP_DAYS"), default: Some("90"), secret: false,
        rule: days(2..=3650)
    }
    /// The mail server. Without one, mail goes to a mail server inside the process that keeps it in the data folder and sends
    /// nothing on (see `mail.sink`). `smtps` is TLS from the start, `smtp+starttls` demands STARTTLS, `smtp` takes it where it
    /// is offered. User and password are percent-encoded.
    smtp_url: Option<SmtpUrl> {
        key: "smtp.url", env: Some("SMTP_URL"), default: Some(""), secret: true,
        rule: optional(smtp_url())
    }
    /// A file that holds what `smtp.url` would.
    smtp_url_file: Option<PathBuf> {
        key: "smtp.url_file", env: Some("SMTP_URL_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the address of a mail server"))
    }
    /// A PEM file of a certificate authority that is trusted beside Mozilla's, for a mail server with a private one.
    smtp_ca_file: Option<PathBuf> {
        key: "smtp.ca_file", env: Some("SENDOFF_SMTP_CA_FILE"), default: Some(""), secret: false,
        rule: optional(path("a PEM file of a certificate authority"))
    }
    /// The sender of every mail.
    mail_from: Sender {
        key: "mail.from", env: Some("SENDOFF_MAIL_FROM"), default: Some("Sendoff <no-reply@sendoff.localhost>"), secret: false,
        rule: sender()
    }
    /// Whether mail goes to the mail server inside the process. On unless there is a mail server to send to.
    mail_sink: Option<bool> {
        key: "mail.sink", env: Some("SENDOFF_MAIL_SINK"), default: Some(""), secret: false,
        rule: optional(choice(&[("true", true), ("false", false)]))
    }
    /// How log lines look.
    log_format: LogFormat {
        key: "log.format", env: Some("SENDOFF_LOG_FORMAT"), default: Some("text"), secret: false,
        rule: choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
    }
    /// What is logged, on stderr.
    log_level: String {
        key: "log.level", env: Some("SENDOFF_LOG_LEVEL"), default: Some("info"), secret: false,
        rule: log_filter()
    }
}

/// What is logged, in the words of `tracing`.
fn log_filter() -> Rule<String> {
    explained(
        "`error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,sendoff_consumers=debug`",
        |text| tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()),
    )
}
