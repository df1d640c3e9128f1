//! The rules, by what they look at.

mod concurrency;
mod folder;
mod inbox;
mod leases;
mod mappings;
mod queues;
mod topic;
mod watching;

use super::{Fault, Rule, model::Queue};

/// All of them, in the order in which they are documented.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let groups: [&'static [Rule]; 8] = [
        leases::RULES,
        queues::RULES,
        topic::RULES,
        mappings::RULES,
        concurrency::RULES,
        watching::RULES,
        inbox::RULES,
        folder::RULES,
    ];
    groups.into_iter().flatten()
}

const DAY: u64 = 86_400;

/// A fault of a queue, to be mended by setting one of its attributes.
fn of_queue(queue: &Queue, there: String, should: String, attribute: &str, value: impl std::fmt::Display) -> Fault {
    let fix = format!("aws sqs set-queue-attributes --queue-url {} --attributes {attribute}={value}", queue.url);
    Fault { place: format!("{} {attribute}", queue.arn), queue: Some(queue.name.clone()), there, should, fix }
}

/// A number of seconds as people read it.
fn span(seconds: u64) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        s if s.is_multiple_of(DAY) => format!("{} d", s / DAY),
        s if s.is_multiple_of(3600) => format!("{} h", s / 3600),
        s if s > DAY => format!("{:.1} d", s as f64 / DAY as f64),
        s => format!("{s} s"),
    }
}
