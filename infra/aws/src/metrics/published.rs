//! Counts what the topic took.

use std::sync::Arc;

use sendoff_consumers::{Count, Meter};
use sendoff_events::{BoxFuture, Outgoing};
use sendoff_producers::{PublishError, Publisher};

/// A publisher that counts the events that the topic took.
pub struct CountingPublisher {
    inner: Arc<dyn Publisher>,
    meter: Arc<dyn Meter>,
    name: &'static str,
}

impl CountingPublisher {
    /// Publishes through `inner`, and counts under `name`: the function or the part that publishes.
    #[must_use]
    pub fn new(inner: Arc<dyn Publisher>, meter: Arc<dyn Meter>, name: &'static str) -> Self {
        Self { inner, meter, name }
    }
}

impl Publisher for CountingPublisher {
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let results = self.inner.publish(events).await;
            let taken = results.iter().filter(|result| result.is_ok()).count();
            if taken > 0 {
                self.meter.count(Count::Published, self.name, taken as u64);
            }
            results
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use sendoff_consumers::Span;

    use super::*;

    /// Takes all but every third event.
    struct Choosy;

    impl Publisher for Choosy {
        fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
            let judge = |n: usize| if n % 3 == 2 { Err(PublishError::Refused("no".into())) } else { Ok(()) };
            Box::pin(async move { (0..events.len().max(3)).map(judge).collect() })
        }
    }

    #[derive(Default)]
    struct Counted(Mutex<Vec<(Count, String, u64)>>);

    impl Meter for Counted {
        fn count(&self, what: Count, consumer: &str, n: u64) {
            self.0.lock().unwrap().push((what, consumer.to_owned(), n));
        }

        fn time(&self, _: Span, _: &str, _: Duration) {}
    }

    #[tokio::test]
    async fn what_the_topic_took_is_counted_and_the_rest_is_not() {
        let counted = Arc::new(Counted::default());
        let results = CountingPublisher::new(Arc::new(Choosy), counted.clone(), "sweep").publish(&[]).await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert_eq!(*counted.0.lock().unwrap(), [(Count::Published, "sweep".to_owned(), 2)]);
    }
}
