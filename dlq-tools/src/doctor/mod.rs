//! `dlq doctor`: looks for settings that lose messages, or hide that they are lost.
//!
//! [`collect`] looks at a deployment and fills a [`Model`]; [`rules`] are a table of pure functions over it. What can't be looked at
//! is told, never passed over: a rule that could not be checked is no rule that holds.

pub mod collect;
mod document;
pub mod model;
mod policy;
pub mod rules;

pub use document::document;
pub use model::Model;
use model::{Part, Unseen};
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Messages are lost, or nobody would notice.
    Error,
    /// They may be, or it will get worse.
    Warning,
    /// Good to know; nothing is to be done at once.
    Note,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Which kind of deployment a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One on AWS.
    Aws,
    /// A data folder.
    Folder,
}

/// One rule.
pub struct Rule {
    /// Its name, which never changes: what is filtered by and searched for.
    pub id: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// Where it applies.
    pub kind: Kind,
    /// What it has to see to be able to tell.
    pub looks_at: &'static [Part],
    /// What it demands.
    pub says: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// Where that is written.
    pub source: &'static str,
    /// What to do, in general.
    pub fix: &'static str,
    /// What breaks it.
    pub faults: fn(&Model) -> Vec<Fault>,
}

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The resource or the setting.
    pub place: String,
    /// The queue that it is about; `None` when it is about the deployment.
    pub queue: Option<String>,
    /// What is there.
    pub there: String,
    /// What should be.
    pub should: String,
    /// What to do here: a command, or a line of the template.
    pub fix: String,
}

/// What is wrong somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule that is broken.
    pub rule: &'static str,
    /// The resource or the setting.
    pub place: String,
    /// The queue that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// What is there.
    pub there: String,
    /// What should be.
    pub should: String,
    /// What happens otherwise.
    pub why: &'static str,
    /// What to do.
    pub fix: String,
}

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotChecked {
    /// What kind of thing.
    pub part: Part,
    /// Which one; `None`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Why not.
    pub why: String,
    /// The rules that nobody can tell of, there.
    pub rules: Vec<&'static str>,
}

/// What the doctor has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub not_checked: Vec<NotChecked>,
    /// The rules that were checked, at least in part.
    pub checked: Vec<&'static str>,
}

/// Applies the rules to what was seen.
#[must_use]
pub fn examine<'a>(model: &Model, rules: impl IntoIterator<Item = &'a Rule>) -> Report {
    let rules: Vec<&Rule> = rules.into_iter().filter(|rule| rule.kind == model.kind).collect();
    let blind = |rule: &Rule| model.unseen.iter().any(|u| u.place.is_none() && rule.looks_at.contains(&u.part));
    let (blind, seeing): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| blind(rule));
    let mut findings: Vec<Finding> = seeing.iter().flat_map(|rule| findings(rule, model)).collect();
    findings.sort_by(|a, b| (a.severity, a.rule, &a.place).cmp(&(b.severity, b.rule, &b.place)));
    let not_checked = |Unseen { part, place, why }: &Unseen| {
        let concerned = if place.is_none() { &blind } else { &seeing };
        let concerned = concerned.iter().filter(|rule| rule.looks_at.contains(part)).map(|rule| rule.id).collect();
        NotChecked { part: *part, place: place.clone(), why: why.clone(), rules: concerned }
    };
    Report {
        findings,
        not_checked: model.unseen.iter().map(not_checked).collect(),
        checked: seeing.iter().map(|rule| rule.id).collect(),
    }
}

fn findings(rule: &Rule, model: &Model) -> Vec<Finding> {
    let finding = |Fault { place, queue, there, should, fix }| Finding {
        severity: rule.severity,
        rule: rule.id,
        place,
        queue,
        there,
        should,
        why: rule.why,
        fix,
    };
    (rule.faults)(model).into_iter().map(finding).collect()
}

impl Report {
    /// Only what is about this queue, or about its consumer and the consumer's other queues, or about all of the deployment.
    #[must_use]
    pub fn about(mut self, queue: &str) -> Self {
        let family = family(queue);
        self.findings.retain(|finding| finding.queue.as_deref().is_none_or(|of| self::family(of) == family));
        self
    }

    /// How many findings are of this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// The consumer that a queue belongs to by its name.
#[must_use]
pub fn family(queue: &str) -> &str {
    let name = queue.strip_suffix(".fifo").unwrap_or(queue);
    ["-dlq", "-undelivered", "-quarantine"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}
