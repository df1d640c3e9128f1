//! Reading, over a small peer that keeps checkpoints and shards as DynamoDB does.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use sendoff_consumers::{HandlerError, NoMeter, Policy, Reaction, ReactionContext, Reactor, Stop};
use sendoff_host::SystemRng;
use serde_json::{Value, json};

use super::*;

mod peer;

use peer::{HandClock, Peer};

const REACTION: &str = "timeline";

/// The record of a write of an item.
fn record(id: &str, version: u64, sequence: u32) -> Value {
    let image = json!({
        "pk": { "S": "r#acme#things" }, "sk": { "S": format!("/{id}") }, "version": { "N": version.to_string() },
        "data": { "S": version.to_string() }, "actor": { "S": "ada" }, "at": { "N": "0" },
    });
    json!({ "eventName": "INSERT", "dynamodb": { "SequenceNumber": sequence.to_string(), "NewImage": image } })
}

async fn read(store: &Store) -> Result<Vec<Change>, ChangesError> {
    store.changes().read(REACTION, 10, Duration::ZERO).await
}

/// Lets all others go on until each of them waits for the clock: there is nothing else to wait for here.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

/// Takes longer over each change than a lease lasts.
#[derive(Default)]
struct Slow(AtomicU32);

impl Reaction for Slow {
    fn name(&self) -> &'static str {
        REACTION
    }

    fn policy(&self) -> Policy {
        Policy { timeout: Duration::from_secs(60), ..Policy::DEFAULT }
    }

    fn react<'a>(&'a self, _: &'a Change, cx: &'a ReactionContext) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async {
            cx.clock.sleep(Duration::from_secs(40)).await;
            self.0.fetch_add(1, SeqCst);
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_reaction_that_takes_longer_than_a_lease_comes_to_its_checkpoint_and_nobody_repeats_it() {
    let (peer, clock, slow) = (Peer::default(), HandClock::default(), Arc::new(Slow::default()));
    peer.write("a", record("x", 1, 10));
    peer.write("a", record("x", 2, 11));
    for _ in 0..2 {
        let context = ReactionContext {
            clock: Arc::new(clock.clone()),
            rng: Arc::new(SystemRng::new()),
            meter: Arc::new(NoMeter),
        };
        let reactor = Reactor::new(slow.clone(), peer.store(&clock).changes(), context);
        tokio::spawn(async move { reactor.run(Stop::never()).await });
    }
    for _ in 0..150 {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(peer.number(REACTION, "done"), Some(2));
    assert_eq!(peer.number(REACTION, "epoch"), Some(1));
    assert_eq!(slow.0.load(SeqCst), 2);
}

#[tokio::test]
async fn who_has_lost_its_lease_is_told_while_its_reaction_works() {
    let (peer, clock) = (Peer::default(), HandClock::default());
    peer.write("a", record("x", 1, 10));
    let (first, second) = (peer.store(&clock), peer.store(&clock));
    let position = read(&first).await.unwrap().remove(0).position;
    clock.advance(LEASE);
    assert_eq!(read(&second).await.unwrap().len(), 1);
    let changes = first.changes();
    let lost = changes.keep(REACTION, &position).await;
    assert!(lost.to_string().contains("another worker reads"), "{lost}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_before_the_stream_goes_on() {
    let (peer, clock) = (Peer::default(), HandClock::default());
    let mut odd = record("x", 1, 10);
    odd["dynamodb"]["NewImage"]["version"] = json!({ "S": "one" });
    peer.write("a", odd);
    peer.write("a", record("x", 2, 11));
    let store = peer.store(&clock);
    peer.refuse("SendMessage");
    let error = read(&store).await.unwrap_err();
    assert!(error.to_string().contains("sqs:SendMessage"), "{error}");
    peer.refuse_nothing();
    assert_eq!(read(&store).await.unwrap().into_iter().map(|change| change.version).collect::<Vec<_>>(), [2]);
    let letters = peer.letters();
    assert_eq!((letters.len(), &letters[0]["QueueUrl"]), (1, &json!("https://sqs/timeline-dlq")));
    let told = letters[0].to_string();
    for part in ["record-damaged", "version", "/x", r#"\"SequenceNumber\":\"10\""#] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test]
async fn a_shard_that_cannot_be_read_holds_up_no_other_and_is_told_when_nothing_else_came() {
    let (peer, clock) = (Peer::default(), HandClock::default());
    for (n, shard) in (1..).zip(["a", "b", "c"]) {
        peer.write(shard, record(shard, 1, n));
    }
    let store = peer.store(&clock);
    peer.refuse("b");
    let read_now = read(&store).await.unwrap();
    assert_eq!(read_now.iter().map(|change| change.key.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    store.changes().checkpoint(REACTION, &read_now[1].position).await.unwrap();
    let error = read(&store).await.unwrap_err();
    assert!(error.to_string().contains("dynamodb:GetShardIterator"), "{error}");
    peer.refuse_nothing();
    assert_eq!(read(&store).await.unwrap()[0].key.id, "b");
}
