//! Which snapshot a verb works on.

use std::io::{self, Write};

use clap::Parser as _;
use sendoff_consumers::{Class, Failure, NewMessage};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{BoxFuture, Clock};
use sendoff_host::SystemRng;
use tempfile::TempDir;

use super::*;
use crate::{
    deployment::{Access, Place},
    verbs::Cli,
};

/// A clock that goes on by a second with each look at it.
#[derive(Default)]
struct Ticking(std::sync::atomic::AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let seconds = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Clone, Default)]
struct Written(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    session: Session,
    said: Written,
    common: Common,
    deployment: Deployment,
    _folder: TempDir,
}

impl Bench {
    /// A data folder with one dead letter of `email`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (said, clock) = (Written::default(), Arc::new(Ticking::default()));
        let options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
        let store = Store::open(folder.path(), options).unwrap();
        let queue = store.queue("email").await.unwrap();
        queue.send(&[NewMessage { body: "x".into(), ..NewMessage::default() }]).await.remove(0).unwrap();
        let delivery = queue.receive(1, Duration::ZERO, Duration::from_secs(600)).await.unwrap().remove(0);
        let failure = Failure {
            reason: "not-json".into(),
            class: Class::Undecodable,
            fingerprint: "not-json-1".into(),
            consumer: "email".into(),
            attempts: 0,
            first_at: Timestamp::UNIX_EPOCH,
            last_at: Timestamp::UNIX_EPOCH,
            error: "no".into(),
        };
        queue.dead_letter(&[(delivery, failure)]).await.remove(0).unwrap();
        store.shutdown().await;
        drop((queue, store));
        let session = Session {
            clock,
            rng: Arc::new(SystemRng::new()),
            variables: std::collections::BTreeMap::new(),
            folder: folder.path().to_owned(),
            program: PathBuf::new(),
            disk: crate::disk::measure,
            out: Box::new(io::sink()),
            err: Box::new(said.clone()),
            out_is_terminal: false,
            err_is_terminal: false,
        };
        let place = Place { data: Some(".".into()), ..Place::default() };
        let deployment = Deployment::open(&session, &place, Access::Look).await.unwrap();
        let common = Cli::try_parse_from(["dlq", "ls"]).unwrap().common;
        Self { session, said, common, deployment, _folder: folder }
    }

    async fn open(&mut self, source: &Source) -> Result<Snapshot, Stopped> {
        source.open(&mut self.session, &self.common, &self.deployment).await
    }
}

fn source(queue: &str) -> Source {
    Source { queue: queue.into(), snapshot: None, fresh: false }
}

#[tokio::test]
async fn the_newest_snapshot_is_worked_on_and_one_is_taken_when_there_is_none() {
    let mut bench = Bench::new().await;
    let first = bench.open(&source("email")).await.unwrap().path().to_owned();
    let again = bench.open(&source("email-dlq")).await.unwrap().path().to_owned();
    assert_eq!(first, again);
    let fresh = bench.open(&Source { fresh: true, ..source("email") }).await.unwrap().path().to_owned();
    assert!(fresh > first);
    assert_eq!(bench.open(&source("email")).await.unwrap().path(), fresh);
    let named = Source { snapshot: Some(first.clone()), ..source("email") };
    assert_eq!(bench.open(&named).await.unwrap().path(), first);
    let said = String::from_utf8(bench.said.0.lock().unwrap().clone()).unwrap();
    let name = first.file_name().unwrap().to_str().unwrap();
    assert!(said.lines().all(|line| line.starts_with("1 letter of `email-dlq` as of ")), "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with(name)).count(), 3, "{said}");
}

#[tokio::test]
async fn a_snapshot_of_another_deployment_or_queue_is_refused_by_name_and_passed_over_otherwise() {
    let mut bench = Bench::new().await;
    let mut snapshot = bench.open(&source("email")).await.unwrap();
    let other = snapshot::Taken { deployment: "aws eu-central-1 sendoff-".into(), ..snapshot.taken().clone() };
    snapshot.set_taken(other).unwrap();
    let path = snapshot.path().to_owned();
    drop(snapshot);
    let named = Source { snapshot: Some(path.clone()), ..source("email") };
    let stopped = bench.open(&named).await.err().unwrap();
    assert_eq!(stopped.exit, Exit::Refused);
    assert!(stopped.message.unwrap().contains("of aws eu-central-1 sendoff-"));
    assert_ne!(bench.open(&source("email")).await.unwrap().path(), path);
}

#[test]
fn a_span_is_typed_with_its_unit_and_a_refusal_says_what_is_wrong() {
    let typed = |text| duration(text).map(|span| span.as_secs());
    let (days, mixed) = (typed("5d"), typed("1d 2h"));
    assert_eq!(
        (typed("30s"), typed("0s"), typed("90m"), days, mixed),
        (Ok(30), Ok(0), Ok(5400), Ok(432_000), Ok(93_600))
    );
    for (text, why) in [
        ("30", "with its unit"),
        ("", "with its unit"),
        ("3 months", "with its unit"),
        ("soon", "with its unit"),
        ("18446744073709551615s", "too long"),
        ("9223372036854775807s", "too long"),
        ("1d 99999999999999h", "too long"),
        ("-5s", "less than nothing"),
    ] {
        assert!(typed(text).is_err_and(|error| error.contains(why)), "{text}: {:?}", typed(text));
    }
}

#[test]
fn a_span_is_told_in_its_two_greatest_units() {
    let told = |seconds| span(Duration::from_secs(seconds));
    assert_eq!([0, 59, 60, 200, 3600, 90_061].map(told), ["0s", "59s", "1m", "3m 20s", "1h", "1d 1h"]);
}
