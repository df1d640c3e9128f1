//! On SQS, as an emulator has it: letters can't be asked for by their ids there, and a lease ends only by time.

use std::{sync::Arc, time::Duration};

use sendoff_aws::{Aws, Store, provision::Stack};
use sendoff_consumers::{AuditDigest, WorkerSettings, check_chain};
use sendoff_events::Clock as _;
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::servers::Emulator;

use super::{
    outside::Outside,
    reconcile::{Tally, reconcile},
    replay::{Replay, Tool, two_at_once},
    serving::{CONSUMER, Ports, Serving},
};

const LETTERS: usize = 500;
const KILLS: u64 = 20;
/// How many letters a second each of them sends: half of it goes together.
const RATE: u32 = 50;
const PATIENCE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the tally is worth seeing")]
async fn two_replays_on_sqs_survive_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let emulator = Emulator::shared();
    let aws = Aws::from_environment(emulator.environment()).expect("region and credentials");
    let stack = Stack::new(aws.clone(), emulator.stack(), Arc::new(SystemClock));
    let resources = stack.create().await.expect("deployed");
    let named = [
        ("SENDOFF_QUEUE_URL_BASE", resources.queue_url_base.clone()),
        ("SENDOFF_TABLE", resources.table.clone()),
        ("SENDOFF_INBOX_TABLE", resources.inbox_table.clone()),
        ("SENDOFF_BUCKET", resources.bucket.clone()),
        ("SENDOFF_TOPIC_ARN", resources.topic_arn.clone()),
    ];
    let variables = named.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(emulator.variables());
    let tool = Tool {
        arguments: vec!["--backend".into(), "aws".into()],
        variables: variables.collect(),
        work: folder.path().join("work"),
    };
    let store = Store::new(aws, resources, Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let ports = Ports {
        inbox: store.inbox(),
        blobs: store.blobs(),
        queue: store.queue(CONSUMER),
        publisher: store.publisher(),
    };
    let outside = Outside::default();
    let settings = WorkerSettings { wait: Duration::from_secs(1), ..WorkerSettings::default() };
    let serving = Serving::start(ports, &outside, settings);
    let failed = serving.fail(LETTERS, 10).await;
    outside.set_mended(true);
    let until = SystemClock.now() + PATIENCE;
    let both = move || two_at_once(&tool, 0, RATE, until);
    let (struck, replays) = tokio::task::spawn_blocking(both).await.expect("well");
    serving.idle().await;
    let mut tally = Tally::default();
    reconcile(&outside, &failed, &replays.each_ref().map(Replay::report), &mut tally);
    println!("{struck:?} {tally:?}");
    assert_eq!(serving.letters_left().await, 0, "all of them were replayed");
    serving.stop().await;
    let entries = store.audit().entries(0, usize::MAX).await.expect("readable");
    check_chain(AuditDigest::NONE, 1, &entries).expect("a whole chain");
    assert!(struck.kills >= KILLS && struck.sending > 0 && struck.deleting > 0, "{struck:?}");
}
