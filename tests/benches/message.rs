//! `cargo bench -p sendoff-tests --bench message`
//!
//! What a message costs between the queue and the ack, without any backend: decoded, routed, claimed and settled in an inbox in
//! memory, by a handler that does nothing. Counted are instructions and allocations (by callgrind and memcheck, where valgrind is
//! installed): a program that handles so many messages beside one that handles twice as many, so that what starts it cancels out.
//! Both are the same on a busy machine. Beside it stands what nobody who handles JSON can do without: `serde_json` reads the body
//! into a `Value`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "it may fail loudly: nobody depends on it")]

use std::{collections::BTreeMap, fs, process::Command, sync::Arc, time::Duration};

use sendoff_consumers::{
    Attributes, Context, Delivery, Effect, Handler, HandlerError, Limits, NoMeter, Policy, Receipt, Router,
    RouterPorts, SendOutcome, Verdict,
};
use sendoff_events::{AnyEnvelope, Clock, Envelope, Origin, Rng, SubmissionUpdated};
use sendoff_host::{SystemClock, SystemRng};
use sendoff_tests::memory::{Link, MemoryInbox};

/// Bytes of each event's body, roughly.
const BODY: usize = 1024;
/// Messages of the smaller of two runs.
const MESSAGES: usize = 500;
/// Makes this program handle so many messages in one of the ways, and end.
const HANDLE: &str = "--handle";

struct Repeatable;
struct Once;

impl Handler for Repeatable {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "repeatable";

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, _: &Context) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handler for Once {
    type Event = SubmissionUpdated;
    const NAME: &'static str = "once";
    const POLICY: Policy = Policy { effect: Effect::Once, timeout: Duration::from_secs(30), ..Policy::DEFAULT };

    async fn handle(&self, _: &Envelope<SubmissionUpdated>, context: &Context) -> Result<(), HandlerError> {
        context.once("ada", |_| async { SendOutcome::Sent { provider: None, provider_id: None } }).await?;
        Ok(())
    }
}

/// The ways to handle a message: what all have in common, what the others are compared with, and ours.
const WAYS: [(&str, &str); 5] = [
    ("nothing", "made, and nothing else"),
    ("value", "serde_json reads the body into a `Value`"),
    ("decode", "the envelope is read"),
    ("repeatable", "decoded, routed, claimed and settled (repeatable)"),
    ("once", "the same, with an effect that happens once"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == HANDLE) {
        return handle(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    println!(
        "a message of about {BODY} bytes, from the queue to the ack, over an inbox in memory; × is the ratio to the first line\n"
    );
    println!("{:<52} {:>12} {:>6} {:>12} {:>6} {:>12}", "", "instructions", "×", "allocations", "×", "bytes");
    let valgrind = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    if !valgrind {
        println!("valgrind isn't installed: nothing is counted");
        return;
    }
    let [made, rest @ ..] =
        WAYS.map(|(way, _)| [instructions, allocations, bytes].map(|count| per_message(way, count)));
    let rest = rest.map(|counted| [0, 1, 2].map(|n| counted[n] - made[n]));
    for ((_, what), [instructions, allocations, bytes]) in WAYS.iter().skip(1).zip(rest) {
        let [by_instructions, by_allocations] = [instructions / rest[0][0], allocations / rest[0][1]];
        println!(
            "{what:<52} {instructions:>12.0} {by_instructions:>6.1} {allocations:>12.1} {by_allocations:>6.1} {bytes:>12.0}"
        );
    }
}

/// What one message more comes to.
fn per_message(way: &str, count: impl Fn(&str, usize) -> f64) -> f64 {
    (count(way, 2 * MESSAGES) - count(way, MESSAGES)) / MESSAGES as f64
}

fn instructions(way: &str, messages: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let out = format!("--callgrind-out-file={}", folder.path().join("counts").display());
    number_after(&valgrind(&["--tool=callgrind", &out], way, messages), "Collected :")
}

fn allocations(way: &str, messages: usize) -> f64 {
    number_after(&valgrind(&["--tool=memcheck", "--leak-check=no"], way, messages), "total heap usage:")
}

fn bytes(way: &str, messages: usize) -> f64 {
    let log = valgrind(&["--tool=memcheck", "--leak-check=no"], way, messages);
    number_after(&log, "frees,")
}

/// What valgrind tells of this program when it handles messages.
fn valgrind(tool: &[&str], way: &str, messages: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let done = Command::new("valgrind")
        .args(tool)
        .arg(format!("--log-file={}", log.display()))
        .arg(std::env::current_exe().unwrap())
        .args([HANDLE, way, &messages.to_string()])
        .status()
        .unwrap();
    assert!(done.success(), "{way} failed");
    fs::read_to_string(log).unwrap()
}

/// The number after these words.
fn number_after(log: &str, words: &str) -> f64 {
    let (_, rest) = log.split_once(words).unwrap_or_else(|| panic!("valgrind tells no `{words}`: {log}"));
    let digits: String = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
    digits.replace(',', "").parse().unwrap()
}

fn handle(way: &str, messages: usize) {
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng::new()));
    let inbox = Arc::new(MemoryInbox::new(Arc::default(), Link::Direct, clock.clone()));
    let ports = RouterPorts {
        inbox,
        clock: clock.clone(),
        rng: rng.clone(),
        blobs: None,
        keep: RouterPorts::KEEP,
        meter: Arc::new(NoMeter),
    };
    let router = Router::new(ports).with(Repeatable).unwrap().with(Once).unwrap();
    let limits = Limits::none();
    // What a handler waits for is timed by it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for number in 0..messages {
        let delivery = delivery(number, &*clock, &*rng);
        match way {
            "nothing" => {}
            "value" => drop(serde_json::from_slice::<serde_json::Value>(&delivery.body).unwrap()),
            "decode" => drop(AnyEnvelope::decode(&delivery.body).unwrap().header),
            consumer => {
                let consumer = router.consumer(consumer).unwrap();
                let verdict = runtime.block_on(consumer.process(&delivery, &limits));
                assert!(matches!(verdict, Verdict::Ack { duplicate: false }), "{verdict:?}");
            }
        }
    }
}

fn delivery(number: usize, clock: &dyn Clock, rng: &dyn Rng) -> Delivery {
    let data = SubmissionUpdated {
        app_id: "bench".parse().unwrap(),
        submission_id: format!("s-{number}").parse().unwrap(),
        editor_id: "ada".parse().unwrap(),
        revision: 1,
        changed_fields: vec!["x".repeat(BODY - 700)],
    };
    let origin = Origin {
        source: "/bench".into(),
        tenant: "bench".parse().unwrap(),
        correlation: None,
        causation: None,
        traceparent: None,
        hops: 0,
    };
    let event = Envelope::new(data, origin, Some(1), clock, rng).encode().unwrap();
    let attributes: Attributes = BTreeMap::from([
        ("type".to_owned(), event.event_type().to_string()),
        ("tenant".to_owned(), event.tenant().as_str().to_owned()),
    ]);
    Delivery {
        receipt: Receipt::new(format!("{number}-1")),
        message_id: number.to_string(),
        body: event.into_body(),
        attributes,
        receive_count: 1,
        sent_at: clock.now(),
    }
}
