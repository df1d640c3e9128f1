//! A consumer: the handlers behind one queue, and the way of a delivery through them.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use sendoff_events::{
    AnyEnvelope, BlobError, DecodeError, EventType, Header, MAX_BODY_BYTES, Pointer, Timestamp, at_millis,
};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::{
    Class, Delivery, Failure, Filter, IdempotencyKey, Limits, Policy, REPLAY_ATTRIBUTE, RouterPorts, Span, Verdict,
    fingerprint,
    handler::AnyHandler,
    meter::measure,
    middleware::{Guard, catch_panic, deadline, guard, message},
    moments::{earlier, since},
    scrub,
};

/// A message older than this much less than the inbox remembers is parked, not run: its record may be gone.
const AGE_MARGIN: Duration = Duration::from_secs(24 * 3600);

/// The handlers behind one queue, by event type.
#[derive(Clone)]
pub struct Consumer {
    name: &'static str,
    ports: RouterPorts,
    handlers: BTreeMap<&'static str, Arc<dyn AnyHandler>>,
}

/// A body that can't be handed to any handler, and why.
struct Unfit {
    reason: &'static str,
    error: String,
}

impl From<DecodeError> for Unfit {
    fn from(error: DecodeError) -> Self {
        Self { reason: error.reason(), error: error.to_string() }
    }
}

impl Consumer {
    pub(crate) fn new(name: &'static str, ports: RouterPorts) -> Self {
        Self { name, ports, handlers: BTreeMap::new() }
    }

    /// Adds a handler; gives `false` when there is one for the event type already.
    pub(crate) fn add(&mut self, handler: Arc<dyn AnyHandler>) -> bool {
        self.handlers.insert(handler.event_name(), handler).is_none()
    }

    /// Its name, and its queue's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The names of the event types it handles.
    pub fn event_names(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }

    /// The filter its subscription needs.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter::event_types(self.event_names())
    }

    /// The longest that one of its attempts may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.handlers.values().map(|h| h.policy().timeout).max().unwrap_or(Policy::DEFAULT.timeout)
    }

    /// Takes one delivery all the way and says what is to happen to its message. Never panics, whatever the message holds and
    /// whatever the handler does.
    pub async fn process(&self, delivery: &Delivery, limits: &Limits) -> Verdict {
        let began = self.ports.clock.now();
        let (verdict, first_published) = self.judged(delivery, limits).await;
        let (ended, meter) = (self.ports.clock.now(), &*self.ports.meter);
        measure(meter, self.name, &verdict);
        meter.time(Span::HandlerLatency, self.name, since(began, ended));
        // What comes back later isn't at its end.
        if let (Some(first), Verdict::Ack { duplicate: false } | Verdict::DeadLetter(_)) = (first_published, &verdict) {
            meter.time(Span::Age, self.name, since(first, ended));
        }
        verdict
    }

    /// The verdict on a delivery that there is no room for: it comes again `after` that time.
    pub(crate) fn put_off(&self, after: Duration) -> Verdict {
        let verdict = Verdict::Snooze { after, pause: false };
        measure(&*self.ports.meter, self.name, &verdict);
        verdict
    }

    /// The verdict, and when the event was first published, if that could be read.
    async fn judged(&self, delivery: &Delivery, limits: &Limits) -> (Verdict, Option<Timestamp>) {
        let body = match self.body(delivery).await {
            Ok(body) => body,
            Err(verdict) => return (verdict, None),
        };
        // Event types decode and upcast with code of their own.
        let (header, handler, job) = match catch_unwind(AssertUnwindSafe(|| self.decode(&body))) {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(unfit)) => return (self.unfit(delivery, unfit), None),
            Err(panic) => {
                let error = format!("decoding it panicked: {}", message(&*panic));
                return (self.unfit(delivery, Unfit { reason: "bad-data", error }), None);
            }
        };
        let first_published = Some(header.first_published);
        if let Some(verdict) = self.too_old(delivery, &header) {
            return (verdict, first_published);
        }
        let policy = handler.policy();
        let ports = &self.ports;
        let delivered = Guard {
            clock: &ports.clock,
            rng: &ports.rng,
            inbox: &ports.inbox,
            policy,
            key: IdempotencyKey::new(self.name, header.id),
            payload_hash: Sha256::digest(&body).into(),
            replay: delivery.attributes.get(REPLAY_ATTRIBUTE).and_then(|n| n.parse().ok()).unwrap_or(0),
            deliveries: delivery.receive_count,
            keep: ports.keep,
            sink: header.is_of_load_test().then_some(&ports.meter),
        };
        let span = tracing::info_span!(
            "handle",
            consumer = self.name,
            event_id = %header.id,
            event_type = %header.event_type,
            correlation_id = %header.correlation,
            causation_id = header.causation.map(tracing::field::display),
            trace_id = header.traceparent.map(|t| t.trace_id()),
            attempt = tracing::field::Empty,
        );
        let verdict = guard(delivered, |context| async move {
            tracing::Span::current().record("attempt", context.attempt());
            catch_panic(async { deadline(&*ports.clock, policy.timeout, limits, job(context)).await }).await
        })
        .instrument(span.clone())
        .await;
        span.in_scope(|| report(&verdict));
        (verdict, first_published)
    }

    /// The body, fetched if it travels as a claim check.
    async fn body(&self, delivery: &Delivery) -> Result<Bytes, Verdict> {
        let Some(blobs) = &self.ports.blobs else { return Ok(delivery.body.clone()) };
        let unfit = |reason, error: String| Err(self.unfit(delivery, Unfit { reason, error }));
        let pointer = match Pointer::parse(&delivery.body, &[blobs.bucket()]) {
            Ok(None) => return Ok(delivery.body.clone()),
            Ok(Some(pointer)) => pointer,
            Err(error) => return unfit("bad-pointer", error.to_string()),
        };
        match blobs.get(&pointer.key, MAX_BODY_BYTES as u64).await {
            Ok(body) => Ok(body),
            Err(error @ BlobError::Missing(_)) => unfit("blob-missing", error.to_string()),
            Err(error @ BlobError::TooLarge { .. }) => unfit("body-too-large", error.to_string()),
            Err(error @ BlobError::Unavailable(_)) => {
                tracing::warn!(%error, consumer = self.name, "the blob store can't be reached; the message waits");
                let after = Policy::DEFAULT.deferral.delay(delivery.receive_count, &*self.ports.rng);
                Err(Verdict::Snooze { after, pause: false })
            }
        }
    }

    fn decode(&self, body: &[u8]) -> Result<(Header, &Arc<dyn AnyHandler>, crate::handler::Job<'_>), Unfit> {
        let envelope = AnyEnvelope::decode(body)?;
        let header = envelope.header.clone();
        let unknown = |found: &EventType| DecodeError::UnknownType { found: found.clone() };
        let handler = self.handlers.get(header.event_type.name()).ok_or_else(|| unknown(&header.event_type))?;
        let job = handler.prepare(envelope)?;
        Ok((header, handler, job))
    }

    /// A message whose inbox record may have expired must not run: it might have run before.
    fn too_old(&self, delivery: &Delivery, header: &Header) -> Option<Verdict> {
        let limit = self.ports.keep.saturating_sub(AGE_MARGIN);
        let oldest = earlier(self.ports.clock.now(), limit);
        (header.first_published < oldest).then(|| {
            let error = format!(
                "first published at {}, longer ago than the inbox remembers for sure ({} days)",
                header.first_published,
                limit.as_secs() / 86_400
            );
            self.unfit(delivery, Unfit { reason: "too-old", error })
        })
    }

    fn unfit(&self, delivery: &Delivery, unfit: Unfit) -> Verdict {
        tracing::warn!(
            consumer = self.name,
            message_id = delivery.message_id,
            reason = unfit.reason,
            error = %scrub(&unfit.error),
            "a message can't be handled and is dead-lettered"
        );
        Verdict::DeadLetter(Box::new(Failure {
            reason: unfit.reason.into(),
            class: Class::Undecodable,
            fingerprint: fingerprint(unfit.reason, &unfit.error),
            consumer: self.name.into(),
            attempts: 0,
            first_at: delivery.sent_at,
            last_at: at_millis(self.ports.clock.now()),
            error: scrub(&unfit.error),
        }))
    }
}

fn report(verdict: &Verdict) {
    match verdict {
        Verdict::Ack { duplicate: false } => tracing::debug!("handled"),
        Verdict::Ack { duplicate: true } => tracing::debug!("handled before; skipped"),
        Verdict::Retry { after } => tracing::info!(after_ms = after.as_millis(), "failed; it will be tried again"),
        Verdict::Snooze { after, .. } => tracing::debug!(after_ms = after.as_millis(), "put off"),
        Verdict::DeadLetter(failure) => {
            tracing::warn!(reason = failure.reason, error = failure.error, "dead-lettered");
        }
        Verdict::Superseded => tracing::warn!("another worker has taken over"),
    }
}
