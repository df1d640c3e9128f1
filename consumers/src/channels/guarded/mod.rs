//! A provider that is neither used while it can't be, nor faster than it may be.

mod line;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use line::Lines;
use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};

use super::{
    Provider,
    circuit::{Circuit, CircuitState, Closed},
};
use crate::{Doubt, Found, NotSent, Rate, Rates, SendOutcome};

/// One provider behind a circuit and, if it is [`limited`](Self::limited), a rate limit.
///
/// - **Circuit.** At [`NotSent::Unavailable`], and after five unknown outcomes in a row, the provider isn't asked for a while:
///   from 1 s, twice as long each time, up to 5 minutes, or for as long as it said itself, up to 15. Meanwhile each send answers
///   `Unavailable` with what is left of that. Then one message tries: any answer about that message puts the provider back to
///   use.
/// - **Rate limit.** A message that would be too fast answers [`NotSent::NotYet`] with the time at which it is its turn: those
///   who wait in this process are given one turn after the other, so they don't all come back at once. When the limits can't be
///   reached, the message is sent: the provider has a limit of its own and answers 429 beyond it, which costs as little; to hold
///   every message because a counter is down would turn a small outage into a big one.
/// - **Hold.** When the provider itself says that it is too fast, and for how long, what would go the same way waits as long, up
///   to 10 s, instead of running into the same answer.
///
/// It fits providers that all messages share. Don't put it around webhooks: there each endpoint is another system, and one
/// customer's outage must not stop the others' calls.
pub struct Guarded<M> {
    inner: Arc<dyn Provider<M>>,
    name: &'static str,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    circuit: Circuit,
    limit: Option<Limit>,
    bucket: Bucket<M>,
    holds: Lines,
}

/// Names the bucket of a message.
type Bucket<M> = Box<dyn Fn(&M) -> Cow<'static, str> + Send + Sync>;

struct Limit {
    rates: Arc<dyn Rates>,
    rate: Rate,
    /// Whether it was said that the limits can't be reached.
    failing: AtomicBool,
}

impl<M: Send + Sync + 'static> Guarded<M> {
    /// The provider behind a circuit, without a rate limit.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider<M>>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        let name = provider.name();
        let bucket = Box::new(move |_: &M| Cow::Borrowed(name));
        Self {
            inner: provider,
            name,
            clock,
            rng,
            circuit: Circuit::new(),
            limit: None,
            bucket,
            holds: Lines::default(),
        }
    }

    /// The same under another name, where two providers would go by one: two mail servers. The ledger, doubts and the bucket
    /// of the rate limit go by it; call it before [`by_sender`](Self::by_sender).
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, bucket: Box::new(move |_| Cow::Borrowed(name)), ..self }
    }

    /// The same with a rate limit, counted in `rates`.
    #[must_use]
    pub fn limited(self, rates: Arc<dyn Rates>, rate: Rate) -> Self {
        Self { limit: Some(Limit { rates, rate, failing: AtomicBool::new(false) }), ..self }
    }

    /// The same with a limit of its own for each sender: `sender` names that of a message. Names are kept as they are, so they
    /// must not be personal data: a sender is ours.
    #[must_use]
    pub fn by_sender(self, sender: impl Fn(&M) -> String + Send + Sync + 'static) -> Self {
        let name = self.name;
        Self { bucket: Box::new(move |message| format!("{name}/{}", sender(message)).into()), ..self }
    }

    /// Whether the provider is used.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit.state(self.clock.now())
    }

    async fn guarded_send(&self, message: &M, doubt: Option<&Doubt>) -> SendOutcome {
        let mut permit = match self.circuit.enter(self.name, &*self.clock, &*self.rng) {
            Ok(permit) => permit,
            Err(Closed { after, reason }) => {
                let reason = format!("{} is not used for a while: {reason}", self.name);
                return SendOutcome::NotSent(NotSent::Unavailable { after: Some(after), reason });
            }
        };
        let bucket = (self.bucket)(message);
        if let Some(wait) = self.too_fast(&bucket).await {
            let reason = format!("messages through {bucket} are sent more slowly");
            return SendOutcome::NotSent(NotSent::NotYet { after: wait, reason });
        }
        permit.begin();
        let mut outcome = self.inner.send(message, doubt).await;
        let pause = permit.conclude(&outcome);
        match &mut outcome {
            // Its consumer pauses as long as the provider isn't used.
            SendOutcome::NotSent(NotSent::Unavailable { after, .. }) => *after = pause.or(*after),
            SendOutcome::NotSent(NotSent::Throttled { after: Some(after), .. }) => {
                self.holds.hold(&bucket, *after, self.clock.now());
            }
            SendOutcome::Sent { provider, .. } | SendOutcome::Unknown { provider, .. } => self.sign(provider),
            SendOutcome::Skipped { .. } | SendOutcome::NotSent(_) => {}
        }
        outcome
    }

    /// How long a message of `bucket` has to wait. If it need not, it was counted.
    async fn too_fast(&self, bucket: &str) -> Option<Duration> {
        let now = self.clock.now();
        let interval = self.limit.as_ref().map(|limit| limit.rate.step());
        let wait = match self.holds.held(bucket, now) {
            Some(wait) => wait,
            None => self.limit.as_ref()?.take(self.name, bucket, now).await?,
        };
        Some(self.holds.turn(bucket, wait, interval, now, &*self.rng))
    }

    /// Puts our name where the provider's is.
    fn sign(&self, provider: &mut Option<Cow<'static, str>>) {
        if provider.as_deref().is_none_or(|name| name == self.inner.name()) {
            *provider = Some(self.name.into());
        }
    }
}

impl Limit {
    /// Takes one message from `bucket`, or says how long to wait for it.
    async fn take(&self, provider: &str, bucket: &str, now: Timestamp) -> Option<Duration> {
        match self.rates.take(bucket, self.rate, now).await {
            Ok(wait) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(provider, "the rate limits can be reached again");
                }
                wait
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(provider, %error, "messages are sent without our rate limit: only the provider's holds");
                }
                None
            }
        }
    }
}

impl<M: Send + Sync + 'static> Provider<M> for Guarded<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send<'a>(&'a self, message: &'a M, doubt: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.guarded_send(message, doubt))
    }

    fn find<'a>(&'a self, message: &'a M, doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            // A provider that is down knows nothing, and the question may wait.
            if let CircuitState::Open { .. } = self.state() {
                return Found::CannotTell;
            }
            let mut found = self.inner.find(message, doubt).await;
            if let Found::Sent { provider, .. } = &mut found {
                self.sign(provider);
            }
            found
        })
    }
}

impl<M> fmt::Debug for Guarded<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("name", &self.name).finish_non_exhaustive()
    }
}
