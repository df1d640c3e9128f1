//! The rules, by what they look at.

mod access;
mod calls;
mod environment;
mod functions;
mod parameters;
mod queues;
mod storage;
mod streams;
mod topic;
mod watching;
mod workflows;

use super::{code::Code, document::Template};

/// One rule.
pub(super) struct Rule {
    /// What it demands.
    pub(super) says: &'static str,
    /// What is wrong in a template, each with the resource that is to blame.
    pub(super) problems: fn(&Template, &Code) -> Vec<String>,
    /// Changes of the template that it has to notice.
    pub(super) broken_by: &'static [fn(&mut Template)],
}

/// All of them.
pub(super) const RULES: &[&[Rule]] = &[
    access::keys::RULES,
    access::reach::RULES,
    access::roles::RULES,
    access::services::RULES,
    calls::RULES,
    environment::RULES,
    functions::RULES,
    parameters::RULES,
    queues::RULES,
    storage::RULES,
    streams::RULES,
    topic::RULES,
    watching::RULES,
    workflows::RULES,
];
