//! What is measured of a message's life.

use std::{
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use sendoff_consumers::{NotSent, SendOutcome, Stop};

use super::rig::{Act, LEASE, Rig, sent};

#[test]
fn each_end_of_a_message_is_counted_as_what_it_is() {
    let tries = AtomicU32::new(0);
    let mut rig = Rig::new(move |step, _| match (step, tries.load(SeqCst)) {
        ("bob", n @ ..2) => {
            tries.store(n + 1, SeqCst);
            let throttled = NotSent::Throttled { after: None, reason: "slow down".into() };
            let transient = NotSent::Transient { reason: "451 try later".into() };
            Act::Answer(SendOutcome::NotSent(if n == 0 { throttled } else { transient }))
        }
        _ => sent(),
    });
    let (_, body) = rig.envelope(Duration::ZERO);
    for body in [body.clone(), body, "Hello!".into()] {
        rig.push(body, None);
        rig.start(Stop::never(), LEASE);
        rig.run_dry();
    }
    let counts = rig.measured.counts();
    // What can't be read failed no attempt.
    let expected = ["DeadLettered", "Deferred", "Duplicates", "Failed", "Handled", "Retried"]
        .map(|name| (format!("{name} scripted"), 1));
    assert_eq!(counts, expected);
}

#[test]
fn the_last_attempt_failed_like_those_that_were_repeated() {
    let mut rig =
        Rig::new(|_, _| Act::Answer(SendOutcome::NotSent(NotSent::Transient { reason: "451 try later".into() })));
    let (_, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    let counts = [("DeadLettered", 1), ("Failed", 3), ("Retried", 2)].map(|(name, n)| (format!("{name} scripted"), n));
    assert_eq!(rig.measured.counts(), counts);
}

#[test]
fn a_doubt_that_is_dead_lettered_is_counted_as_both() {
    let mut rig = Rig::new(|_, _| Act::Answer(SendOutcome::Unknown { provider: None, reason: "no answer".into() }));
    let (_, body) = rig.envelope(Duration::ZERO);
    rig.push(body, None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    let counts = rig.measured.counts();
    for name in ["DeadLettered scripted", "InDoubt scripted"] {
        assert!(counts.contains(&(name.to_owned(), 1)), "{name}: {counts:?}");
    }
}

#[test]
fn latency_counts_from_the_delivery_and_age_from_the_first_publication() {
    let mut rig = Rig::new(|step, _| match step {
        "ada" => Act::Hang(Duration::from_secs(3)),
        _ => sent(),
    });
    let (_, body) = rig.envelope(Duration::from_secs(100));
    rig.push(body.clone(), None);
    rig.start(Stop::never(), LEASE);
    rig.run_dry();
    rig.push(body, None);
    rig.run_dry();
    let (latency, age) = (rig.measured.times("HandlerLatency scripted"), rig.measured.times("Age scripted"));
    assert_eq!(latency.len(), 2, "the duplicate took its time too");
    assert!(latency[0] >= Duration::from_secs(3) && latency[1] < Duration::from_secs(3), "{latency:?}");
    assert!(age.len() == 1 && age[0] >= Duration::from_secs(103), "{age:?}");
    assert!(rig.measured.counts().contains(&("Duplicates scripted".into(), 1)));
}
