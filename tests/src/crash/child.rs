use std::{collections::HashSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use sendoff_consumers::{NoMeter, Queue, Router, RouterPorts, Stop, Worker, WorkerSettings};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{AppAssigned, AppId, Clock, Envelope, Origin, Rng, TenantId};
use sendoff_host::SystemRng;
use sendoff_producers::{Answer, CommitError, Expected, RecordKey, RequestKey, UnitOfWork, Write};

use super::{
    FastClock,
    handlers::{Held, Repeatable, Resent},
    link::Link,
};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Which settled requests it repeats after a restart, to see that nothing happens.
const REPEATED: usize = 50;

/// The process that is killed: it publishes what isn't published yet, handles what isn't handled yet, and ends when all is.
pub struct Child {
    /// The data folder.
    pub folder: PathBuf,
    /// Where the provider listens.
    pub provider: SocketAddr,
    /// The time.
    pub clock: FastClock,
    /// How many events there are to be.
    pub events: usize,
}

impl Child {
    /// Works until all events are committed and every queue is empty.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from working.
    pub async fn run(self) -> Result<(), Failed> {
        let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(self.clock), Arc::new(SystemRng::new()));
        let store = Store::open(&self.folder, StoreOptions { clock: Arc::clone(&clock), ..StoreOptions::default() })?;
        let link = Link::connect(self.provider).await?;
        let ports = RouterPorts {
            inbox: store.inbox(),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            blobs: None,
            keep: RouterPorts::KEEP,
            meter: Arc::new(NoMeter),
        };
        let router = Router::new(ports).with(Repeatable(link.clone()))?.with(Held(link.clone()))?.with(Resent(link))?;
        let (stopper, stop) = Stop::pair();
        let (mut workers, mut queues) = (Vec::new(), Vec::new());
        for consumer in router.consumers() {
            store.subscribe(consumer.name(), &consumer.filter()).await?;
            let queue = store.queue(consumer.name()).await?;
            queues.push(Arc::clone(&queue));
            let settings = WorkerSettings {
                concurrency: 256,
                batch: 128,
                lease: Duration::from_secs(30),
                ..WorkerSettings::default()
            };
            let worker = Worker::new(Arc::clone(consumer), queue, Arc::clone(&clock), Arc::clone(&rng), settings);
            let stop = stop.clone();
            workers.push(tokio::spawn(async move { worker.run(stop).await }));
        }
        self.publish(&store, &*rng).await?;
        while !all_empty(&queues).await? {
            clock.sleep(Duration::from_secs(1)).await;
        }
        stopper.stop();
        for ended in join_all(workers).await {
            ended?;
        }
        store.shutdown().await;
        Ok(())
    }

    /// Commits every event that isn't committed yet, many at a time, and a few that are.
    async fn publish(&self, store: &Store, rng: &dyn Rng) -> Result<(), Failed> {
        let records = store.records();
        let committed = self.committed(store).await?;
        let missing = (0..self.events).filter(|n| !committed.contains(n));
        let again = committed.iter().copied().take(REPEATED);
        let all: Vec<usize> = again.chain(missing).collect();
        let commits = stream::iter(all).map(|n| {
            let work = self.work(n, rng);
            async { records.commit(work?).await }
        });
        // What was committed before the kill and before its answer comes back as repeated.
        commits.buffer_unordered(256).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }

    /// The requests whose record is there.
    async fn committed(&self, store: &Store) -> Result<HashSet<usize>, Failed> {
        let (mut found, mut after) = (HashSet::new(), None::<String>);
        loop {
            let page = store.records().list(&tenant()?, "assignments", "", after.as_deref(), 1000).await?;
            for record in page.records {
                found.insert(record.key.id.parse()?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    fn work(&self, n: usize, rng: &dyn Rng) -> Result<UnitOfWork, CommitError> {
        let invalid = |why: String| CommitError::Invalid(why);
        let tenant = tenant().map_err(|e| invalid(e.to_string()))?;
        let id = |text: String| text.parse().map_err(|e| invalid(format!("{e}")));
        let app_id: AppId = "app".parse().map_err(|e| invalid(format!("{e}")))?;
        let data = AppAssigned { app_id, user_id: id(format!("user-{n}"))?, assigned_by: id("admin".into())? };
        let origin = Origin {
            source: "/crash".into(),
            tenant: tenant.clone(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let envelope = Envelope::new(data, origin, Some(1), &self.clock, rng);
        let event = envelope.encode().map_err(|e| invalid(e.to_string()))?;
        let answer =
            Answer { status: 201, location: None, etag: None, events: vec![event.id()], body: event.id().to_string() };
        Ok(UnitOfWork {
            actor: "admin".into(),
            at: self.clock.now(),
            writes: vec![Write {
                key: RecordKey::new(&tenant, "assignments", n.to_string()),
                expected: Expected::Absent,
                data: Some(serde_json::json!({ "event": event.id() })),
            }],
            events: vec![event],
            may_be_silent: false,
            request: Some(RequestKey { key: format!("request-{n}"), fingerprint: [7; 32], answer }),
            tenant,
        })
    }
}

fn tenant() -> Result<TenantId, Failed> {
    Ok("acme".parse()?)
}

async fn all_empty(queues: &[Arc<dyn Queue>]) -> Result<bool, Failed> {
    for queue in queues {
        let depth = queue.depth().await?;
        if depth.visible + depth.in_flight + depth.delayed > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
