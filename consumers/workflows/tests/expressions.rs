//! Expressions mean the same in both targets: what Rust evaluates is what another implementation of JSONata makes of the printed text.
#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

mod cases;
#[path = "cases/peer.rs"]
mod peer;

use std::{cell::RefCell, thread};

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use sendoff_workflows::expr::{self, Root};
use serde_json::Value;

use cases::{Case, Values, Variables};
use peer::Peer;

/// So many peers at a time: while one evaluates, the side that asked it waits.
const PEERS: u32 = 4;

/// As many as the design asks for; `PROPTEST_CASES` says otherwise, and `PROPTEST_RNG_SEED` makes other ones.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_261_126),
        fixed => fixed,
    };
    let cases = if config.cases == 256 { 20_000 } else { config.cases };
    ProptestConfig { cases, rng_seed, failure_persistence: None, max_shrink_iters: 3_000, ..config }
}

/// Numbers are the same but for what reading them from JSON does to their last bits.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-12 * a.abs().max(1.0))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn rust_and_jsonata_compute_the_same_of_twenty_thousand_expressions() {
    let count = config().cases;
    let seen = thread::scope(|scope| {
        let parts: Vec<_> = (0..PEERS).map(|part| scope.spawn(move || compare(part_of(config(), part)))).collect();
        let parts = parts.into_iter().map(|part| part.join().expect("a part ends"));
        let seen: Result<Vec<Seen>, String> = parts.collect();
        seen.unwrap_or_else(|failure| panic!("{failure}"))
    });
    let cases: u32 = seen.iter().map(|part| part.cases).sum();
    let blank: u32 = seen.iter().map(|part| part.blank).sum();
    let longest = seen.iter().map(|part| part.longest).max();
    assert_eq!(cases, count, "cases that were compared");
    assert!(blank < count / 2, "{blank} of {count} are blank: the cases have become trivial");
    assert!(longest > Some(1_000), "the longest has {longest:?} bytes: the cases have become trivial");
}

/// What was compared.
#[derive(Default)]
struct Seen {
    cases: u32,
    blank: u32,
    /// The longest printed text, in bytes.
    longest: usize,
}

/// The share of one peer: other cases than those of the others.
fn part_of(whole: ProptestConfig, part: u32) -> ProptestConfig {
    let rng_seed = match whole.rng_seed {
        RngSeed::Random => RngSeed::Random,
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed.wrapping_add(part.into())),
    };
    let cases = whole.cases / PEERS + u32::from(part < whole.cases % PEERS);
    ProptestConfig { cases, rng_seed, ..whole }
}

fn compare(config: ProptestConfig) -> Result<Seen, String> {
    let scope = cases::scope();
    let peer = RefCell::new(Peer::jsonata_core());
    let seen = RefCell::new(Seen::default());
    TestRunner::new(config)
        .run(&cases::cases(), |Case { text, values }| {
            let expr = match expr::read(&text, &scope) {
                Ok(expr) => expr,
                Err(problems) => return Err(TestCaseError::fail(format!("{text}\n{problems}"))),
            };
            let expected = expr.eval(&values);
            let printed = expr.jsonata(&Variables);
            let normal = expr::normalize(&expected, &expr.ty);
            prop_assert_eq!(normal.as_ref(), Ok(&expected), "{} is of its type and normal", text);
            match peer.borrow_mut().evaluate(&printed, &values) {
                Ok(value) => {
                    prop_assert!(same(&value, &expected), "{text}\nRust:    {expected}\nJSONata: {value}\n{printed}")
                }
                Err(error) => return Err(TestCaseError::fail(format!("{text}\nRust: {expected}\n{error}\n{printed}"))),
            }
            let mut seen = seen.borrow_mut();
            seen.cases += 1;
            seen.blank += u32::from(expected.is_null());
            seen.longest = seen.longest.max(printed.len());
            Ok(())
        })
        .map_err(|failure| failure.to_string())?;
    Ok(seen.into_inner())
}

#[test]
fn a_difference_would_be_seen() {
    let values = Values([(Root::Field("n".into()), Value::from(2.5))].into());
    let expr = expr::read("ROUND({n})", &cases::scope()).expect("an expression");
    let broken = expr.jsonata(&Variables).replace("+ 0.5", "+ 0.4");
    let value = Peer::jsonata_core().evaluate(&broken, &values).expect("a value");
    assert!(!same(&value, &expr.eval(&values)));
}
