//! The providers' APIs inside the process: they check each request as the provider does, keep what they take, and send nothing
//! on. So the same code sends as in production, over real HTTP, to this machine.

mod fcm;
mod meta;
mod port;
mod twilio;
mod webhook;

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::Stop;
use sendoff_events::{Clock, Rng, Timestamp, at_millis};
use tokio::net::TcpListener;

use super::{
    Messages,
    messages::{NewMessage, ReceivedMessage, SinkChannel},
    shelf::{ShelfError, fresh_id},
};

pub use webhook::WEBHOOK_SECRET;

/// Who text messages and WhatsApp messages to the sink come from: a number of those that the British regulator keeps for
/// drama (<https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama>).
pub const SINK_SENDER: &str = "+447700900000";

/// The largest request that is taken, in bytes: more than any provider takes.
const MAX_REQUEST: usize = 2 * 1024 * 1024;

/// The providers inside the process, on the loopback interface. What they have said yes to is on the disk.
pub struct HttpSink {
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Desk>,
}

/// What whoever sends to the sinks has to know: made anew at each start, and good for nothing else.
#[derive(Debug, Clone)]
pub struct SinkAccounts {
    /// Where all of them listen: `http://127.0.0.1:40123`.
    pub base_url: String,
    /// The account of the sink for Twilio.
    pub twilio_account: String,
    /// Its secret.
    pub twilio_token: SecretString,
    /// The sender's id of the sink for Meta.
    pub meta_phone_number_id: String,
    /// Its secret.
    pub meta_token: SecretString,
    /// The service account of the sink for FCM, as JSON, with its private key.
    pub fcm_service_account: SecretString,
}

/// What all requests share.
struct Desk {
    messages: Messages,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    accounts: SinkAccounts,
    fcm_token: SecretString,
}

impl HttpSink {
    /// Takes a free port on 127.0.0.1. Whoever connects from now on is served once it [runs](Self::run).
    ///
    /// # Errors
    ///
    /// What the system says when there is no port to be had.
    pub async fn bind(messages: Messages, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Self::at(listener, messages, clock, rng)
    }

    /// The same, at the port that the sink of this data folder had the last time: what was given out as an address, for a
    /// webhook say, stays good. If somebody else has that port by now, takes another, and says so.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); and when the port can't be written down in the folder.
    pub async fn bind_again(data: &Path, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> io::Result<Self> {
        Self::at(port::bind(data).await?, Messages::of(data), clock, rng)
    }

    fn at(listener: TcpListener, messages: Messages, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let base_url = format!("http://{address}");
        let accounts = SinkAccounts {
            twilio_account: format!("AC{}", random_hex(&*rng)),
            twilio_token: random_hex(&*rng).into(),
            meta_phone_number_id: (100_000_000_000_000 + (rng.next_u64() >> 20)).to_string(),
            meta_token: random_hex(&*rng).into(),
            fcm_service_account: fcm::service_account(&base_url).into(),
            base_url,
        };
        let fcm_token = random_hex(&*rng).into();
        Ok(Self { listener, address, desk: Arc::new(Desk { messages, clock, rng, accounts, fcm_token }) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What whoever sends to it has to know.
    #[must_use]
    pub fn accounts(&self) -> &SinkAccounts {
        &self.desk.accounts
    }

    /// Serves until `stop` is requested; requests on their way are then answered.
    ///
    /// # Errors
    ///
    /// What the system says when nothing can be served.
    pub async fn run(self, stop: Stop) -> Result<(), String> {
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(twilio::take).get(twilio::list))
            .route("/{version}/{sender}/messages", post(meta::take))
            .route("/token", post(fcm::token))
            .route("/v1/projects/{project}/{method}", post(fcm::take))
            .route("/webhooks/{*endpoint}", post(webhook::take))
            .route("/", get(|| async { "sendoff takes every message and sends none on\n" }))
            .layer(DefaultBodyLimit::max(MAX_REQUEST))
            .with_state(self.desk);
        axum::serve(self.listener, router).with_graceful_shutdown(stop.requested()).await.map_err(|e| e.to_string())
    }
}

impl Desk {
    fn now(&self) -> Timestamp {
        at_millis(self.clock.now())
    }

    /// Keeps a message, and only then lets it be answered.
    async fn keep(self: &Arc<Self>, message: NewMessage) -> Result<(), Response> {
        let (desk, at) = (self.clone(), self.now());
        let stored = tokio::task::spawn_blocking(move || desk.messages.store(message, at, &*desk.rng)).await;
        match stored {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(cannot_keep(&error)),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }

    /// What was kept of a channel.
    async fn kept(self: &Arc<Self>) -> Result<Vec<ReceivedMessage>, Response> {
        let desk = self.clone();
        match tokio::task::spawn_blocking(move || desk.messages.list(None)).await {
            Ok(Ok(messages)) => Ok(messages),
            Ok(Err(error)) => Err(cannot_keep(&error)),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        }
    }

    /// A fresh id of 32 hexadecimal digits, as providers have them.
    fn provider_id(&self) -> String {
        fresh_id(self.now(), &*self.rng).simple().to_string()
    }
}

fn cannot_keep(error: &ShelfError) -> Response {
    tracing::warn!(%error, "a received message can't be kept");
    // Nothing was taken, and the provider's words for that say so: a 503 of theirs may mean anything.
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "5")]).into_response()
}

/// Sixteen random bytes.
fn random_hex(rng: &dyn Rng) -> String {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}

/// The value of a header, where it is text.
fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What the body is said to be, without its parameters.
fn content_type(headers: &HeaderMap) -> String {
    text_of(headers, "content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the request carries this bearer token.
fn bears(headers: &HeaderMap, token: &SecretString) -> bool {
    let given = text_of(headers, "authorization").strip_prefix("Bearer ").unwrap_or_default();
    is_same(given, token.expose_secret())
}

/// Whether two secrets are the same, without telling by the time it takes where they differ.
fn is_same(given: &str, secret: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, given.as_bytes(), hmac::sign(&key, secret.as_bytes()).as_ref()).is_ok()
}
