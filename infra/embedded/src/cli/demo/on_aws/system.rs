//! The whole system in this process over a stack: the API with the fast path, the worker, and the servers that take the mail and
//! all other messages.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use sendoff_aws::{Aws, Resources, Store, settings::Settings, worker::Worker};
use sendoff_consumers::{routing::Routing, templates};
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped},
    sink::{HttpSink, Mailbox, Messages, SINK_SENDER, SinkAccounts, SinkLimits, SmtpSink},
};
use sendoff_events::{Clock, Rng};
use sendoff_host::{
    PartError, Phase, SystemClock, SystemRng,
    server::{Bounds, serve},
};
use sendoff_producers::api::{self, ApiState, DevelopmentKey, KeySet, Limits};
use tokio::net::TcpListener;

use super::ledger::OnAws;

/// How long the API and the servers that take messages may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The system, running. It is stopped in the order of its parts.
pub(super) struct System {
    address: SocketAddr,
    store: Store,
    accounts: SinkAccounts,
    api: Phase,
    worker: Worker,
    sinks: Phase,
}

impl System {
    /// Starts everything. When it returns, the API takes requests.
    pub(super) async fn start(aws: Aws, resources: Resources, config: &Config) -> Result<Self, Stopped> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
        let mailbox = Mailbox::of(&config.settings.data);
        let sink = SmtpSink::bind(mailbox, SinkLimits::default(), clock.clone(), rng.clone());
        let sink = sink.await.map_err(Stopped::failed)?;
        let smtp_url = format!("smtp://{}", sink.address());
        let mut sinks = Phase::new(PATIENCE);
        let stop = sinks.stop_signal();
        sinks.run("the mail server", async move {
            sink.run(stop).await;
            Ok(())
        });
        let http = HttpSink::bind(Messages::of(&config.settings.data), clock.clone(), rng.clone());
        let http = http.await.map_err(Stopped::failed)?;
        let accounts = http.accounts().clone();
        let stop = sinks.stop_signal();
        sinks.run("the server for all other messages", async move { http.run(stop).await });

        let settings = settings(&resources, &smtp_url, &accounts, config)?;
        let worker = Worker::start(aws.clone(), &settings).await?;

        let store = Store::new(aws, resources, clock.clone(), rng.clone());
        let listener = TcpListener::bind(config.settings.listen).await.map_err(Stopped::failed)?;
        let address = listener.local_addr().map_err(Stopped::failed)?;
        let key = DevelopmentKey::loopback(address).map_err(|error| Stopped::new(Exit::Refused, error))?;
        let keys = KeySet::new().with_development(&key).map_err(Stopped::failed)?;
        let limits = Limits { body_bytes: config.settings.max_body, ..Limits::default() };
        let state =
            ApiState::new(store.records(), keys, clock, rng).with_limits(limits).with_mail_flaws(templates::flaws);
        let router = api::router(state.with_fast_path(store.outbox(), store.publisher()));
        let mut api = Phase::new(PATIENCE);
        let stop = api.stop_signal();
        api.run("the API", async move {
            serve(listener, router, Bounds::default(), stop).await;
            Ok(())
        });
        Ok(Self { address, store, accounts, api, worker, sinks })
    }

    /// Where the API listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is looked up what became of events.
    pub(super) fn ledger(&self) -> OnAws {
        OnAws::new(self.store.clone(), self.accounts.clone(), self.worker.consumers().to_vec())
    }

    /// Resolves when a part has failed.
    pub(super) async fn failed(&mut self) -> PartError {
        tokio::select! {
            failure = self.api.failed() => failure,
            failure = self.worker.failed() => failure,
            failure = self.sinks.failed() => failure,
        }
    }

    /// Stops everything in order.
    pub(super) async fn shutdown(self) -> Result<(), PartError> {
        let api = self.api.stop().await;
        let worker = self.worker.shutdown().await;
        let sinks = self.sinks.stop().await;
        api.and(worker).and(sinks)
    }
}

/// The standard rules, but that no channel waits for news of an earlier one: nobody tells any here.
fn rules_without_grace() -> Result<String, Stopped> {
    let mut rules: serde_json::Value = serde_json::from_str(Routing::STANDARD).map_err(Stopped::failed)?;
    rules["grace"] = "0s".into();
    Ok(rules.to_string())
}

/// The worker's settings, as its environment would give them in a container.
fn settings(
    resources: &Resources,
    smtp_url: &str,
    accounts: &SinkAccounts,
    config: &Config,
) -> Result<Settings, Stopped> {
    let host = accounts.base_url.trim_start_matches("http://");
    let rules = rules_without_grace()?;
    let functions = resources.functions_json();
    let given = [
        ("SENDOFF_TABLE", resources.table.as_str()),
        ("SENDOFF_INBOX_TABLE", &resources.inbox_table),
        ("SENDOFF_STREAM_ARN", resources.stream_arn.as_deref().unwrap_or_default()),
        ("SENDOFF_TOPIC_ARN", &resources.topic_arn),
        ("SENDOFF_QUEUE_URL_BASE", &resources.queue_url_base),
        ("SENDOFF_BUCKET", &resources.bucket),
        ("SENDOFF_RUNS_ROLE_ARN", &resources.runs_role_arn),
        ("SENDOFF_RUNS_PREFIX", &resources.runs_prefix),
        ("SENDOFF_FUNCTIONS", &functions),
        ("SENDOFF_SCHEDULE_GROUP", &resources.schedule_group),
        ("SENDOFF_SCHEDULE_ROLE_ARN", &resources.schedule_role_arn),
        ("SMTP_URL", smtp_url),
        ("SENDOFF_LISTEN", "127.0.0.1:0"),
        ("SENDOFF_ROUTING", &rules),
        ("SENDOFF_WEBHOOK_ALLOW", host),
        ("TWILIO_BASE_URL", &accounts.base_url),
        ("TWILIO_ACCOUNT_SID", &accounts.twilio_account),
        ("TWILIO_AUTH_TOKEN", accounts.twilio_token.expose_secret()),
        ("TWILIO_SMS_FROM", SINK_SENDER),
        ("META_BASE_URL", &accounts.base_url),
        ("META_PHONE_NUMBER_ID", &accounts.meta_phone_number_id),
        ("META_ACCESS_TOKEN", accounts.meta_token.expose_secret()),
        ("FCM_BASE_URL", &accounts.base_url),
        ("FCM_SERVICE_ACCOUNT", accounts.fcm_service_account.expose_secret()),
    ];
    let given: BTreeMap<String, String> =
        given.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Settings { mail_from: Some(config.settings.mail_from.clone()), ..Settings::read(given, &[])? })
}
