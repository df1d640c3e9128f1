//! A process is killed again and again while it publishes and handles 20,000 events. At the end nothing is lost, nothing
//! that may happen once happened twice, and what nobody can know is told.

use sendoff_host::{SystemClock, SystemRng};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_consumers::{FAILURE_ATTRIBUTE, Failure, IdempotencyKey, InboxRecord, Status};
use sendoff_embedded::{OpenError, Store, StoreOptions};
use sendoff_events::{AnyEnvelope, Clock as _, EventId, Rng as _};
use sendoff_tests::{
    crash::{HELD, Provider, REPEATABLE, RESENT, STEP},
    simulation::{World, WorldRng},
};

const EVENTS: usize = 20_000;
/// Effects, if none were lost or repeated.
const EFFECTS: u64 = 3 * EVENTS as u64;
const KILLS: u64 = 25;
/// By when it must have come to an end.
const PATIENCE: Duration = Duration::from_secs(900);
const CONSUMERS: [&str; 3] = [REPEATABLE, HELD, RESENT];

fn start(folder: &Path, provider: &Provider, origin: i64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash_child"));
    command.arg(folder).arg(provider.address().to_string()).arg(origin.to_string()).arg(EVENTS.to_string());
    command.spawn().expect("the child starts")
}

/// How many events are committed, as one who only looks sees it right after a kill.
fn committed(folder: &Path) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match Store::open_read_only(folder, StoreOptions::default()) {
        Ok(store) => runtime.block_on(store.last_event()).expect("readable"),
        Err(OpenError::Missing { .. }) => 0,
        Err(error) => panic!("the store can't be read after a kill: {error}"),
    }
}

/// Kills the child after so many further effects, over and over; then lets it finish. Gives how often it was killed while
/// events were still to be committed.
fn kill_and_restart(folder: &Path, provider: &Provider, rng: &WorldRng) -> u64 {
    let clock = SystemClock;
    let origin = clock.now();
    let left = || PATIENCE.saturating_sub(Duration::try_from(clock.now().duration_since(origin)).unwrap_or_default());
    let mut child = start(folder, provider, origin.as_millisecond());
    let mut while_publishing = 0;
    for kill in 0..KILLS {
        let seen = provider.counted().total;
        // Spread over what is left; every fifth strikes while the child is still starting.
        let spread = 2 * (EFFECTS * 9 / 10).saturating_sub(seen) / (KILLS - kill);
        let target = if kill % 5 == 4 { seen } else { seen + rng.next_u64() % spread.max(1) };
        assert!(provider.wait(left(), |counted| counted.total >= target), "it got stuck after {seen} effects");
        assert_eq!(child.try_wait().expect("its status"), None, "the child ended by itself before kill {kill}");
        child.kill().expect("SIGKILL");
        child.wait().expect("it is dead");
        while_publishing += u64::from(committed(folder) < EVENTS as u64);
        child = start(folder, provider, origin.as_millisecond());
    }
    // Its last connection closes when the child ends.
    let ended = loop {
        if let Some(status) = child.try_wait().expect("its status") {
            break status;
        }
        assert!(!left().is_zero(), "it never came to an end: {} effects", provider.counted().total);
        provider.wait(Duration::from_millis(200), |_| false);
    };
    assert!(ended.success(), "the child failed: {ended}");
    assert!(provider.wait(left(), |counted| counted.connections == 0), "a connection stays open");
    while_publishing
}

/// What the store says in the end.
struct Ledger {
    events: Vec<EventId>,
    /// The events that the committed records tell of.
    told: BTreeSet<EventId>,
    records: HashMap<IdempotencyKey, InboxRecord>,
    /// The reasons of the dead letters.
    dead: HashMap<IdempotencyKey, String>,
}

async fn read(folder: &Path) -> Ledger {
    let store = Store::open(folder, StoreOptions::default()).expect("the store opens after all that");
    let (mut events, mut subjects, mut after) = (Vec::new(), HashSet::new(), 0);
    loop {
        let page = store.events(after, 1000).await.expect("readable");
        let Some(last) = page.last() else { break };
        after = last.seq;
        for event in page {
            assert!(subjects.insert(event.subject.clone()), "{} was committed twice", event.subject);
            events.push(event.id);
        }
    }
    let reads = stream::iter(events.clone()).map(|id| store.inbox_for_event(id)).buffer_unordered(64);
    let records: Vec<Vec<InboxRecord>> = reads.try_collect().await.expect("readable");
    let records = records.into_iter().flatten().map(|record| (record.key.clone(), record)).collect();
    let told = told(&store).await;
    let mut dead = HashMap::new();
    for consumer in CONSUMERS {
        let queue = format!("{consumer}-dlq");
        let letters = store.dead_letter_queues().read(&queue, None, 10 * EVENTS).await.expect("readable");
        for letter in letters.expect("a look takes nothing") {
            let id = AnyEnvelope::decode(&letter.body).expect("only envelopes were published").header.id;
            let failure: Failure = serde_json::from_str(&letter.attributes[FAILURE_ATTRIBUTE]).expect("a failure");
            let reason = failure.reason;
            let before = dead.insert(IdempotencyKey::new(consumer, id), reason);
            assert_eq!(before, None, "two dead letters for {consumer}/{id}");
        }
        let depth = store.queue(consumer).await.expect("a queue").depth().await.expect("readable");
        assert_eq!(depth.visible + depth.in_flight + depth.delayed, 0, "{consumer} has messages left");
    }
    store.shutdown().await;
    Ledger { events, told, records, dead }
}

async fn told(store: &Store) -> BTreeSet<EventId> {
    let (mut told, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let tenant = "acme".parse().expect("a tenant");
        let page = store.records().list(&tenant, "assignments", "", after.as_deref(), 1000).await.expect("readable");
        for record in page.records {
            assert_eq!(record.version, 1, "{} was written twice", record.key);
            told.insert(serde_json::from_value(record.data["event"].clone()).expect("an event id"));
        }
        after = page.next;
        if after.is_none() {
            return told;
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    done: u64,
    in_doubt: u64,
    in_doubt_and_sent: u64,
    repeated: u64,
    resent: u64,
}

/// Holds one consumer's record of one event against what really happened.
fn reconcile(ledger: &Ledger, effects: &HashMap<String, u32>, key: &IdempotencyKey, tally: &mut Tally) {
    let record = ledger.records.get(key).unwrap_or_else(|| panic!("{key} was lost: it has no record"));
    let happened = effects.get(&key.step(STEP)).copied().unwrap_or(0);
    let dead = ledger.dead.get(key).map(String::as_str);
    match (record.status, dead) {
        (Status::Done, None) => tally.done += 1,
        (Status::InDoubt, Some("outcome-unknown")) => tally.in_doubt += 1,
        (status, dead) => panic!("{key} ended as {status:?} with the dead letter {dead:?}"),
    }
    match key.consumer() {
        REPEATABLE => {
            assert!(record.status == Status::Done && happened >= 1, "{key}: {:?}, {happened} times", record.status);
            tally.repeated += u64::from(happened - 1);
        }
        HELD => {
            assert!(happened <= 1, "{key} happened {happened} times");
            assert!(happened == 1 || record.status == Status::InDoubt, "{key} never happened and nobody doubts it");
            tally.in_doubt_and_sent += u64::from(record.status == Status::InDoubt && happened == 1);
        }
        _ => {
            assert!(record.status == Status::Done && happened >= 1, "{key}: {:?}, {happened} times", record.status);
            let doubted = record.steps[STEP].doubted;
            assert!(happened == 1 || doubted, "{key} happened {happened} times and nobody had a doubt");
            tally.resent += u64::from(happened - 1);
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the tally is worth seeing")]
fn twenty_thousand_events_survive_a_process_that_is_killed_again_and_again() {
    let seed = SystemRng::new().next_u64();
    println!("seed {seed}");
    let began = SystemClock.now();
    let folder = tempfile::tempdir().expect("a folder");
    let provider = Provider::start().expect("it listens");
    let while_publishing = kill_and_restart(folder.path(), &provider, &World::new(seed).rng());
    let took = SystemClock.now().duration_since(began);

    let ledger = tokio::runtime::Runtime::new().expect("a runtime").block_on(read(folder.path()));
    assert_eq!(ledger.events.len(), EVENTS);
    assert_eq!(
        ledger.told,
        ledger.events.iter().copied().collect(),
        "an event without its state, or a state without its event"
    );
    assert_eq!(ledger.records.len(), 3 * EVENTS);
    let counted = provider.counted();
    let keys: HashSet<String> = ledger.records.keys().map(|key| key.step(STEP)).collect();
    let stray = counted.effects.keys().find(|key| !keys.contains(*key));
    assert_eq!(stray, None, "an effect of no event");
    let mut tally = Tally::default();
    for event in &ledger.events {
        for consumer in CONSUMERS {
            reconcile(&ledger, &counted.effects, &IdempotencyKey::new(consumer, *event), &mut tally);
        }
    }
    println!(
        "{EVENTS} events × 3 consumers, {KILLS} kills ({while_publishing} of them while publishing) in {took:#}: {} effects, {tally:?}",
        counted.total
    );
    // A run in which the kills strike nothing proves nothing.
    assert!(while_publishing >= 3 && tally.in_doubt > 0 && tally.repeated > 0 && tally.resent > 0);
}
