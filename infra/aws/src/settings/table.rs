//! The table of all settings of the functions and of the worker: what they are called, what they default to, what they must
//! look like and what they do. Parsing, error messages and the second part of `docs/CONFIG.md` are made from it.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use sendoff_consumers::{
    Rate,
    channels::{
        email::Sender,
        twilio::{AccountSid, TwilioSender},
        webhook::Allowed,
    },
    routing::Routing,
};
use sendoff_host::{
    config::rules::{
        WhatsappCarrier, address, base_url, bytes, choice, count, days, duration, list, optional, path, public_url,
        rate, secret, sender, text, whatsapp_carriers,
    },
    connections::ConnectionSettings,
    settings,
};
use sendoff_producers::model::Channel;
use sendoff_workflows::asl::Functions;

use super::{
    Consumers,
    rules::{
        account_sid, allowed, arn, cache_url, channels, connections, consumers, content_sids, digits, functions,
        log_level, namespace, queue_url_base, routing, runs_prefix, service_account, sms_sender, smtp_url,
        whatsapp_sender,
    },
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
    /// The role that runs of workflows act under. It may call the functions of `SENDOFF_FUNCTIONS` and nothing else.
    runs_role_arn: Option<String> {
        key: "SENDOFF_RUNS_ROLE_ARN", env: Some("SENDOFF_RUNS_ROLE_ARN"), default: Some(""), secret: false,
        rule: optional(arn("iam"))
    }
    /// What the name of every workflow's state machine begins with; permissions are given by it.
    runs_prefix: Option<String> {
        key: "SENDOFF_RUNS_PREFIX", env: Some("SENDOFF_RUNS_PREFIX"), default: Some(""), secret: false,
        rule: optional(runs_prefix())
    }
    /// The functions that workflows call, by the actions that they carry out; `steps` asks for decisions and reckons times of
    /// the day. A workflow with an action that isn't named here can't be published.
    functions: Option<Functions> {
        key: "SENDOFF_FUNCTIONS", env: Some("SENDOFF_FUNCTIONS"), default: Some(""), secret: false,
        rule: optional(functions())
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
    /// pointer. SNS takes 256 KiB with all attributes: a body that has no room beside them goes into the bucket, whatever
    /// this says.
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
    /// Whether a replay that `dlq` has planned must be approved by somebody else than who planned it, before it runs.
    needs_approval: bool {
        key: "SENDOFF_DLQ_APPROVAL", env: Some("SENDOFF_DLQ_APPROVAL"), default: Some("none"), secret: false,
        rule: choice(&[("none", false), ("required", true)])
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
    /// A second mail server, for what the first has definitely not taken.
    smtp_fallback_url: Option<SecretString> {
        key: "SMTP_FALLBACK_URL", env: Some("SMTP_FALLBACK_URL"), default: Some(""), secret: true,
        rule: optional(smtp_url())
    }
    /// A file that holds what `SMTP_FALLBACK_URL` would.
    smtp_fallback_url_file: Option<PathBuf> {
        key: "SMTP_FALLBACK_URL_FILE", env: Some("SMTP_FALLBACK_URL_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the address of a mail server"))
    }
    /// A secret of Secrets Manager that holds what `SMTP_FALLBACK_URL` would.
    smtp_fallback_url_arn: Option<String> {
        key: "SMTP_FALLBACK_URL_ARN", env: Some("SMTP_FALLBACK_URL_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// How many mails may go a second, all processes together. Nothing is no limit.
    email_rate: Option<Rate> {
        key: "SENDOFF_EMAIL_RATE", env: Some("SENDOFF_EMAIL_RATE"), default: Some(""), secret: false,
        rule: optional(rate())
    }
    /// Who is told of what on which channels, as JSON, where it isn't as the standard rules say (`docs/DELIVERY.md`). A
    /// function's environment holds 4 KB in all.
    routing: Option<Routing> {
        key: "SENDOFF_ROUTING", env: Some("SENDOFF_ROUTING"), default: Some(""), secret: false,
        rule: optional(routing())
    }
    /// The channels that have a provider in this deployment, in whatever process: others stand in nobody's chain, and a workflow that
    /// sends by one can't be published. All processes have to agree. By default those that this process has a provider for; the API
    /// has none, and takes workflows with any then.
    channels: Option<BTreeSet<Channel>> {
        key: "SENDOFF_CHANNELS", env: Some("SENDOFF_CHANNELS"), default: Some(""), secret: false,
        rule: optional(channels())
    }
    /// The address that people and providers reach this deployment at: where unsubscribe links and callbacks lead. Without one
    /// there are none.
    public_url: Option<String> {
        key: "SENDOFF_PUBLIC_URL", env: Some("SENDOFF_PUBLIC_URL"), default: Some(""), secret: false,
        rule: optional(public_url())
    }
    /// What unsubscribe links are signed with. Another one makes the links invalid that were sent.
    link_secret: Option<SecretString> {
        key: "SENDOFF_LINK_SECRET", env: Some("SENDOFF_LINK_SECRET"), default: Some(""), secret: true,
        rule: optional(secret("a secret of at least 16 characters without spaces", 16))
    }
    /// A file that holds what `SENDOFF_LINK_SECRET` would.
    link_secret_file: Option<PathBuf> {
        key: "SENDOFF_LINK_SECRET_FILE", env: Some("SENDOFF_LINK_SECRET_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds a secret of at least 16 bytes"))
    }
    /// A secret of Secrets Manager that holds what `SENDOFF_LINK_SECRET` would.
    link_secret_arn: Option<String> {
        key: "SENDOFF_LINK_SECRET_ARN", env: Some("SENDOFF_LINK_SECRET_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// The systems and databases that workflows may call, as a JSON object of connections by name: `{"crm": {"url_secret":
    /// "arn:…", "tenants": "acme"}}`. Their settings are those of the table of connections; `sqlite:` is refused, since a
    /// function has no disk of its own. Rather name secrets than write them here: a function's environment can be read by
    /// whoever may look at the function, and holds 4 KB in all.
    connections: Option<Vec<ConnectionSettings>> {
        key: "SENDOFF_CONNECTIONS", env: Some("SENDOFF_CONNECTIONS"), default: Some(""), secret: true,
        rule: optional(connections())
    }
    /// The account at Twilio.
    twilio_account_sid: Option<AccountSid> {
        key: "TWILIO_ACCOUNT_SID", env: Some("TWILIO_ACCOUNT_SID"), default: Some(""), secret: false,
        rule: optional(account_sid())
    }
    /// The auth token of that account. Callbacks are signed with it, too.
    twilio_auth_token: Option<SecretString> {
        key: "TWILIO_AUTH_TOKEN", env: Some("TWILIO_AUTH_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("the auth token of the Twilio account", 1))
    }
    /// A file that holds what `TWILIO_AUTH_TOKEN` would.
    twilio_auth_token_file: Option<PathBuf> {
        key: "TWILIO_AUTH_TOKEN_FILE", env: Some("TWILIO_AUTH_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the auth token of the Twilio account"))
    }
    /// A secret of Secrets Manager that holds what `TWILIO_AUTH_TOKEN` would.
    twilio_auth_token_arn: Option<String> {
        key: "TWILIO_AUTH_TOKEN_ARN", env: Some("TWILIO_AUTH_TOKEN_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// Who text messages are from, at Twilio. Without a sender there are none.
    twilio_sms_from: Option<TwilioSender> {
        key: "TWILIO_SMS_FROM", env: Some("TWILIO_SMS_FROM"), default: Some(""), secret: false,
        rule: optional(sms_sender())
    }
    /// Who WhatsApp messages are from, at Twilio.
    twilio_whatsapp_from: Option<TwilioSender> {
        key: "TWILIO_WHATSAPP_FROM", env: Some("TWILIO_WHATSAPP_FROM"), default: Some(""), secret: false,
        rule: optional(whatsapp_sender())
    }
    /// The ids by which the Twilio account knows the templates for WhatsApp: `app-assigned/en=HX…, app-assigned/de=HX…`. Without
    /// them nothing goes through Twilio, which is refused where nobody else carries WhatsApp messages.
    twilio_content_sids: Option<String> {
        key: "TWILIO_CONTENT_SIDS", env: Some("TWILIO_CONTENT_SIDS"), default: Some(""), secret: false,
        rule: optional(content_sids())
    }
    /// Where Twilio is.
    twilio_base_url: String {
        key: "TWILIO_BASE_URL", env: Some("TWILIO_BASE_URL"), default: Some("https://api.twilio.com"), secret: false,
        rule: base_url("an https address (http only for this machine)")
    }
    /// How many text messages may go a second from a sender, all processes together.
    sms_rate: Option<Rate> {
        key: "SENDOFF_SMS_RATE", env: Some("SENDOFF_SMS_RATE"), default: Some(""), secret: false,
        rule: optional(rate())
    }
    /// The id of the WhatsApp number at Meta: not the number itself.
    meta_phone_number_id: Option<String> {
        key: "META_PHONE_NUMBER_ID", env: Some("META_PHONE_NUMBER_ID"), default: Some(""), secret: false,
        rule: optional(digits("the id of a phone number at Meta: digits"))
    }
    /// The access token for that number.
    meta_access_token: Option<SecretString> {
        key: "META_ACCESS_TOKEN", env: Some("META_ACCESS_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("an access token of Meta", 1))
    }
    /// A file that holds what `META_ACCESS_TOKEN` would.
    meta_access_token_file: Option<PathBuf> {
        key: "META_ACCESS_TOKEN_FILE", env: Some("META_ACCESS_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds an access token of Meta"))
    }
    /// A secret of Secrets Manager that holds what `META_ACCESS_TOKEN` would.
    meta_access_token_arn: Option<String> {
        key: "META_ACCESS_TOKEN_ARN", env: Some("META_ACCESS_TOKEN_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// The secret of the Meta app, which its callbacks are signed with.
    meta_app_secret: Option<SecretString> {
        key: "META_APP_SECRET", env: Some("META_APP_SECRET"), default: Some(""), secret: true,
        rule: optional(secret("the secret of a Meta app", 1))
    }
    /// A file that holds what `META_APP_SECRET` would.
    meta_app_secret_file: Option<PathBuf> {
        key: "META_APP_SECRET_FILE", env: Some("META_APP_SECRET_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds the secret of a Meta app"))
    }
    /// A secret of Secrets Manager that holds what `META_APP_SECRET` would.
    meta_app_secret_arn: Option<String> {
        key: "META_APP_SECRET_ARN", env: Some("META_APP_SECRET_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// What Meta has to say when it verifies the address of the callbacks.
    meta_verify_token: Option<SecretString> {
        key: "META_VERIFY_TOKEN", env: Some("META_VERIFY_TOKEN"), default: Some(""), secret: true,
        rule: optional(secret("a token of at least 8 characters without spaces", 8))
    }
    /// A file that holds what `META_VERIFY_TOKEN` would.
    meta_verify_token_file: Option<PathBuf> {
        key: "META_VERIFY_TOKEN_FILE", env: Some("META_VERIFY_TOKEN_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds a token of at least 8 characters"))
    }
    /// A secret of Secrets Manager that holds what `META_VERIFY_TOKEN` would.
    meta_verify_token_arn: Option<String> {
        key: "META_VERIFY_TOKEN_ARN", env: Some("META_VERIFY_TOKEN_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// Where Meta is.
    meta_base_url: String {
        key: "META_BASE_URL", env: Some("META_BASE_URL"), default: Some("https://graph.facebook.com"), secret: false,
        rule: base_url("an https address (http only for this machine)")
    }
    /// Who carries WhatsApp messages, in the order in which they are asked. One that isn't set up is passed over.
    whatsapp_providers: Vec<WhatsappCarrier> {
        key: "SENDOFF_WHATSAPP_PROVIDERS", env: Some("SENDOFF_WHATSAPP_PROVIDERS"), default: Some("twilio,meta"), secret: false,
        rule: whatsapp_carriers()
    }
    /// How many WhatsApp messages may go a second through each provider, all processes together.
    whatsapp_rate: Option<Rate> {
        key: "SENDOFF_WHATSAPP_RATE", env: Some("SENDOFF_WHATSAPP_RATE"), default: Some(""), secret: false,
        rule: optional(rate())
    }
    /// A service account of Firebase, as JSON. Without one there are no push messages.
    fcm_service_account: Option<SecretString> {
        key: "FCM_SERVICE_ACCOUNT", env: Some("FCM_SERVICE_ACCOUNT"), default: Some(""), secret: true,
        rule: optional(service_account())
    }
    /// A file that holds what `FCM_SERVICE_ACCOUNT` would.
    fcm_service_account_file: Option<PathBuf> {
        key: "FCM_SERVICE_ACCOUNT_FILE", env: Some("FCM_SERVICE_ACCOUNT_FILE"), default: Some(""), secret: false,
        rule: optional(path("a file that holds a service account of Firebase, as JSON"))
    }
    /// A secret of Secrets Manager that holds what `FCM_SERVICE_ACCOUNT` would.
    fcm_service_account_arn: Option<String> {
        key: "FCM_SERVICE_ACCOUNT_ARN", env: Some("FCM_SERVICE_ACCOUNT_ARN"), default: Some(""), secret: false,
        rule: optional(arn("secretsmanager"))
    }
    /// Where FCM is.
    fcm_base_url: String {
        key: "FCM_BASE_URL", env: Some("FCM_BASE_URL"), default: Some("https://fcm.googleapis.com"), secret: false,
        rule: base_url("an https address (http only for this machine)")
    }
    /// How many push messages may go a second, all processes together.
    push_rate: Option<Rate> {
        key: "SENDOFF_PUSH_RATE", env: Some("SENDOFF_PUSH_RATE"), default: Some(""), secret: false,
        rule: optional(rate())
    }
    /// The SNS topics that SES tells of bounces and complaints through: callbacks are taken from these and from no others.
    ses_topics: Option<Vec<String>> {
        key: "SENDOFF_SES_TOPICS", env: Some("SENDOFF_SES_TOPICS"), default: Some(""), secret: false,
        rule: optional(list("ARNs of SNS topics, with commas between them", arn("sns")))
    }
    /// Servers that webhooks may call although they are private or speak plain http: for development.
    webhook_allow: Option<Vec<Allowed>> {
        key: "SENDOFF_WEBHOOK_ALLOW", env: Some("SENDOFF_WEBHOOK_ALLOW"), default: Some(""), secret: false,
        rule: optional(list("`host:port`, several with commas between them", allowed()))
    }
    /// Whether the API takes the events of load tests (`load run --via api`), whose messages go nowhere. A caller says so by a
    /// correlation id that begins with `load/`.
    load_tests: bool {
        key: "SENDOFF_LOAD_TESTS", env: Some("SENDOFF_LOAD_TESTS"), default: Some("false"), secret: false,
        rule: choice(&[("true", true), ("false", false)])
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
    /// How many messages each consumer of the worker handles at a time. A quarter of that is kept from tenants whose messages take
    /// a second and more.
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
