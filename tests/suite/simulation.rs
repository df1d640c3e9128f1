//! A thousand seeds, and proof that the simulation can see.

use sendoff_tests::{
    memory::Planted,
    simulation::{Tally, check, run},
};

/// Seeds that failed once. Each stays here with the mistake it found.
const CORPUS: [u64; 0] = [];

fn seeds() -> impl Iterator<Item = u64> {
    CORPUS.into_iter().chain(0..1000)
}

#[test]
#[expect(clippy::print_stdout, reason = "the tally is worth seeing")]
fn a_thousand_seeds_with_kills_and_faults_lose_nothing_and_double_nothing() {
    let mut total = Tally::default();
    for seed in seeds() {
        match check(&run(seed, None)) {
            Ok(tally) => total.add(&tally),
            Err(broken) => panic!("seed {seed}: {broken}"),
        }
    }
    println!("{total:?}");
    // A run in which nothing ever goes wrong proves nothing.
    assert!(total.kills > 1000 && total.in_doubt > 100 && total.failed > 100 && total.resent > 10, "{total:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (first, second) = (run(7, None), run(7, None));
    assert_eq!(first.steps, second.steps);
    assert_eq!(first.accepted, second.accepted);
    assert_eq!(first.inbox, second.inbox);
}

fn finds(planted: Planted) {
    let found = (0..400).find_map(|seed| check(&run(seed, Some(planted))).err());
    assert!(found.is_some(), "400 seeds didn't notice {planted:?}");
}

#[test]
fn it_sees_an_inbox_without_fences() {
    finds(Planted::UnfencedInbox);
}

#[test]
fn it_sees_a_claim_that_forgets_what_was_being_sent() {
    finds(Planted::ForgetsSending);
}

#[test]
fn it_sees_an_ack_before_the_message_is_handled() {
    finds(Planted::AcksBeforeHandling);
}

#[test]
fn it_sees_a_topic_that_loses_events() {
    finds(Planted::LosesLastOfBatch);
}
