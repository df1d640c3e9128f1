//! Prints random expressions with what they are, to compare other implementations of JSONata with:
//! `cargo run -p sendoff-workflows --example expression_cases -- [HOW MANY] [SEED]`.
//!
//! Each line is an object: `text` as an author could write it, `jsonata` as it is printed, `bindings` with the values of the variables in
//! it, and the `expected` value. Numbers are right to a relative 1e-12.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a program whose report is its output, for developers")]

#[path = "../tests/cases/mod.rs"]
mod cases;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngSeed, TestRunner},
};
use sendoff_workflows::expr;
use serde_json::json;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>().expect("a number"));
    let (count, seed) = (numbers.next().unwrap_or(300), numbers.next().unwrap_or(1));
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() });
    let (scope, strategy) = (cases::scope(), cases::cases());
    for _ in 0..count {
        let cases::Case { text, values } = strategy.new_tree(&mut runner).expect("a case").current();
        let expr = expr::read(&text, &scope).expect("cases are right");
        let bindings = cases::bindings(&values);
        let jsonata = expr.jsonata(&cases::Variables);
        println!(
            "{}",
            json!({ "text": text, "jsonata": jsonata, "bindings": bindings, "expected": expr.eval(&values) })
        );
    }
}
