//! The table of all settings: what they are called, what they default to, what they must look like and what they do.
//! Parsing, error messages and `docs/CONFIG.md` are made from it; a new setting is one entry here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use sendoff_consumers::{
    Rate,
    channels::{
        email::{Sender, SmtpUrl},
        twilio::{AccountSid, TwilioSender},
        webhook::Allowed,
    },
};
use sendoff_events::MAX_BODY_BYTES;
use sendoff_host::{
    config::{
        Rule,
        rules::{
            WhatsappCarrier, address, base_url, bytes, choice, count, days, digits, duration, explained, json_object,
            list, optional, path, public_url, rate, secret, sender, smtp_url, text, whatsapp_carriers,
        },
    },
    settings,
};

use crate::Durability;

/// The fewest characters of the secret for links: 128 bits, when it is written in hexadecimal digits.
pub(super) const LINK_SECRET: usize = 32;
/// The fewest characters of the token that Meta proves itself with.
pub(super) const VERIFY_TOKEN: usize = 16;

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
    /// Whether the API takes the events of load tests (`load run --via api`), whose messages go nowhere. A caller says so by a
    /// correlation id that begins with `load/`. Without it: on where only the development key is used and every message goes to
    /// servers inside the process.
    load_tests: Option<bool> {
        key: "api.load_tests", env: Some("SENDOFF_API_LOAD_TESTS"), default: Some(""), secret: false,
        rule: optional(choice(&[("true", true), ("false", false)]))
    }
    /// How many messages each consumer handles at a time. A quarter of that is kept from tenants whose messages take
    /// a second and more.
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
    /// A mail server that stands in for the first one while that can't be used. Mail that the first one may have sent is never
    /// sent through this one.
    smtp_fallback_url: Option<SmtpUrl> {
        key: "smtp.fallback_url", env: Some("SMTP_FALLBACK_URL"), default: Some(""), secret: true,
        rule: optional(smtp_url())
    }
    /// A file that holds what `smtp.fallback_url` would.
    smtp_fallback_url_file: Option<PathBuf> {
        key: "smtp.fallback_url_file", env: Some("SMTP_FALLBACK_URL_FILE"), default: Some(""), secret: false,
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
    /// Whether mail goes to the mail server inside the process. On unless anything real is configured, a mail server or another
    /// provider. Beside another provider it must be asked for.
    mail_sink: Option<bool> {
        key: "mail.sink", env: Some("SENDOFF_MAIL_SINK"), default: Some(""), secret: false,
        rule: optional(choice(&[("true", true), ("false", false)]))
    }
    /// The address that the world reaches this deployment at, through a proxy that speaks TLS: where links for unsubscribing and
    /// for approvals lead, and where providers tell what became of messages.
    public_url: Option<String> {
        key: "public.url", env: Some("SENDOFF_PUBLIC_URL"), default: Some(""), secret: false,
        rule: optional(public_url())
    }
    /// What links for unsubscribing and for approvals are signed with. Without it mail has no unsubscribe link, and workflows that
    /// ask for an approval fail. Whoever knows it can unsubscribe others, and decide for them.
    link_secret: Option<SecretString> {
        key: "links.secret", env: Some("SENDOFF_LINK_SECRET"), default: Some(""), secret: true,
        rule: optional(secret("a secret of at least 32 characters without spaces", LINK_SECRET))
    }
    /// A file that holds what `links.secret` would.
    link_secret_file: Option<PathBuf> {
        key: "links.secret_file", env: Some("SENDOFF_LINK_SECRET_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the secret"))
    }
    /// A file with the rules of who is told what, and how, in place of the standard ones.
    routing_file: Option<PathBuf> {
        key: "routing.file", env: Some("SENDOFF_ROUTING_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file with routing rules"))
    }
    /// A folder with templates of your own, which stand over the standard ones: see docs/TEMPLATES.md.
    templates_dir: Option<PathBuf> {
        key: "templates.dir", env: Some("SENDOFF_TEMPLATES_DIR"), default: Some(""), secret: false,
        rule: optional(path("a folder with templates"))
    }
    /// The account at Twilio, for text messages and WhatsApp messages.
    twilio_account_sid: Option<AccountSid> {
        key: "twilio.account_sid", env: Some("TWILIO_ACCOUNT_SID"), default: Some(""), secret: false,
        rule: optional(explained("the SID of a Twilio account: `AC` and 32 hexadecimal digits", str::parse::<AccountSid>))
    }
    /// Its secret. What Twilio tells of messages is signed with it, too.
    twilio_auth_token: Option<SecretString> {
        key: "twilio.auth_token", env: Some("TWILIO_AUTH_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("the auth token of the account, without spaces", 1))
    }
    /// A file that holds what `twilio.auth_token` would.
    twilio_auth_token_file: Option<PathBuf> {
        key: "twilio.auth_token_file", env: Some("TWILIO_AUTH_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the auth token"))
    }
    /// Who text messages come from. Without it, none are sent.
    twilio_sms_from: Option<TwilioSender> {
        key: "twilio.sms_from", env: Some("TWILIO_SMS_FROM"), default: Some(""), secret: false,
        rule: optional(explained(
            "a phone number such as `+4930123456`, a short code, a name of up to 11 letters, or a Messaging Service (`MG…`)",
            str::parse::<TwilioSender>,
        ))
    }
    /// Who WhatsApp messages through Twilio come from. Without it, none go through Twilio.
    twilio_whatsapp_from: Option<TwilioSender> {
        key: "twilio.whatsapp_from", env: Some("TWILIO_WHATSAPP_FROM"), default: Some(""), secret: false,
        rule: optional(explained(
            "a phone number such as `+4930123456`, or a Messaging Service (`MG…`)", TwilioSender::for_whatsapp,
        ))
    }
    /// By which id Twilio knows each WhatsApp template: `app-assigned/en=HX…, app-assigned/de=HX…`. Without
    /// them, and without templates of one's own, WhatsApp through Twilio is refused.
    twilio_content_sids: Option<String> {
        key: "twilio.content_sids", env: Some("TWILIO_CONTENT_SIDS"), default: Some(""), secret: false,
        rule: optional(text("a list such as `app-assigned/en=HX…, app-assigned/de=HX…`"))
    }
    /// Whether this process is the only one that sends through the Twilio account. Then a message that may have been sent is
    /// settled by asking Twilio for it. Turn it off where anything else sends through the account to the same people: a
    /// message of somebody else's could be taken for ours, so Twilio is then only believed when it lists none at all.
    twilio_only_sender: bool {
        key: "twilio.only_sender", env: Some("TWILIO_ONLY_SENDER"), default: Some("true"), secret: false,
        rule: choice(&[("true", true), ("false", false)])
    }
    /// Where Twilio is.
    twilio_base_url: String {
        key: "twilio.base_url", env: Some("TWILIO_BASE_URL"), default: Some("https://api.twilio.com"), secret: false,
        rule: base_url("an https address without query, such as `https://api.twilio.com` (http only for this machine)")
    }
    /// The id of our phone number at Meta, for WhatsApp messages. Not the number itself.
    meta_phone_number_id: Option<String> {
        key: "meta.phone_number_id", env: Some("META_PHONE_NUMBER_ID"), default: Some(""), secret: false,
        rule: optional(digits("the id of a phone number at Meta: up to 32 digits"))
    }
    /// The access token of a system user at Meta.
    meta_access_token: Option<SecretString> {
        key: "meta.access_token", env: Some("META_ACCESS_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("an access token, without spaces", 1))
    }
    /// A file that holds what `meta.access_token` would.
    meta_access_token_file: Option<PathBuf> {
        key: "meta.access_token_file", env: Some("META_ACCESS_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the access token"))
    }
    /// The secret of the app at Meta: what Meta tells of messages is signed with it.
    meta_app_secret: Option<SecretString> {
        key: "meta.app_secret", env: Some("META_APP_SECRET"), default: Some(""), secret: true,
        rule: optional(secret("the secret of the app, without spaces", 1))
    }
    /// A file that holds what `meta.app_secret` would.
    meta_app_secret_file: Option<PathBuf> {
        key: "meta.app_secret_file", env: Some("META_APP_SECRET_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the app's secret"))
    }
    /// What Meta must say when it asks whether callbacks are ours: you make it up, and tell it to Meta.
    meta_verify_token: Option<SecretString> {
        key: "meta.verify_token", env: Some("META_VERIFY_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("a secret of at least 16 characters without spaces", VERIFY_TOKEN))
    }
    /// A file that holds what `meta.verify_token` would.
    meta_verify_token_file: Option<PathBuf> {
        key: "meta.verify_token_file", env: Some("META_VERIFY_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the token"))
    }
    /// Where Meta is.
    meta_base_url: String {
        key: "meta.base_url", env: Some("META_BASE_URL"), default: Some("https://graph.facebook.com"), secret: false,
        rule: base_url("an https address without query, such as `https://graph.facebook.com` (http only for this machine)")
    }
    /// Who carries WhatsApp messages. The second one stands in for the first while that can't be used, never where the first may
    /// have sent. Without it: those that are configured, Twilio first.
    whatsapp_providers: Option<Vec<WhatsappCarrier>> {
        key: "whatsapp.providers", env: Some("SENDOFF_WHATSAPP_PROVIDERS"), default: Some(""), secret: false,
        rule: optional(whatsapp_carriers())
    }
    /// The service account for Firebase Cloud Messaging, as Google's console gives it out: JSON. Without it, no notifications
    /// are sent.
    fcm_service_account: Option<SecretString> {
        key: "fcm.service_account", env: Some("FCM_SERVICE_ACCOUNT"), default: Some(""), secret: true,
        rule: optional(json_object("the JSON of a service account"))
    }
    /// A file that holds what `fcm.service_account` would.
    fcm_service_account_file: Option<PathBuf> {
        key: "fcm.service_account_file", env: Some("FCM_SERVICE_ACCOUNT_FILE"), default: Some(""), secret: false,
        rule: optional(path("a JSON file of a service account"))
    }
    /// Where Firebase Cloud Messaging is.
    fcm_base_url: String {
        key: "fcm.base_url", env: Some("FCM_BASE_URL"), default: Some("https://fcm.googleapis.com"), secret: false,
        rule: base_url("an https address without query, such as `https://fcm.googleapis.com` (http only for this machine)")
    }
    /// How many mails may go out a second, together. Without it, there is no limit of ours.
    email_rate: Option<Rate> {
        key: "email.rate", env: Some("SENDOFF_EMAIL_RATE"), default: Some(""), secret: false, rule: optional(rate())
    }
    /// How many text messages may go out a second from each sender.
    sms_rate: Option<Rate> {
        key: "sms.rate", env: Some("SENDOFF_SMS_RATE"), default: Some(""), secret: false, rule: optional(rate())
    }
    /// How many WhatsApp messages may go out a second through each provider.
    whatsapp_rate: Option<Rate> {
        key: "whatsapp.rate", env: Some("SENDOFF_WHATSAPP_RATE"), default: Some(""), secret: false, rule: optional(rate())
    }
    /// How many notifications may go out a second.
    push_rate: Option<Rate> {
        key: "push.rate", env: Some("SENDOFF_PUSH_RATE"), default: Some(""), secret: false, rule: optional(rate())
    }
    /// Servers whose webhook endpoints may be called although they are private, and by plain http: for development.
    webhook_allow: Option<Vec<Allowed>> {
        key: "webhook.allow", env: Some("SENDOFF_WEBHOOK_ALLOW"), default: Some(""), secret: false,
        rule: optional(list(
            "`host:port`, several with commas between them, such as `localhost:8081,10.0.0.7:443`",
            explained("host:port", str::parse::<Allowed>),
        ))
    }
    /// Whether text messages, WhatsApp messages and notifications go to servers inside the process that keep them in the data
    /// folder and send nothing on. On unless anything real is configured: a provider, or a mail server.
    channels_sink: Option<bool> {
        key: "channels.sink", env: Some("SENDOFF_CHANNELS_SINK"), default: Some(""), secret: false,
        rule: optional(choice(&[("true", true), ("false", false)]))
    }
    /// Whether a replay that `dlq` has planned must be approved by somebody else than who planned it, before it runs.
    needs_approval: bool {
        key: "dlq.approval", env: Some("SENDOFF_DLQ_APPROVAL"), default: Some("none"), secret: false,
        rule: choice(&[("none", false), ("required", true)])
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
