//! What a dry run starts with.

use std::borrow::Cow;

use jiff::Timestamp;
use sendoff_embedded::program::{Exit, Stopped};
use sendoff_workflows::{
    Plan, Problems,
    expr::{Env, Expr, Root},
    plan::Trigger as Planned,
};
use serde_json::{Map, Value, json};

use crate::cli::workflow::{
    args::{DryRun, Trigger},
    input::Submission,
};

pub(super) struct Given {
    /// What starts the run.
    pub(super) trigger: &'static str,
    /// What it is given.
    pub(super) input: Value,
}

/// What the run is given, if it is started at all.
pub(super) fn given(
    plan: &Plan,
    args: &DryRun,
    submission: Option<Submission>,
    now: Timestamp,
) -> Result<Given, Stopped> {
    let (kind, when) = trigger(plan, args.trigger)?;
    if submission.is_none() && matches!(kind, Trigger::Created | Trigger::Updated) {
        return Err(Stopped::new(Exit::Usage, "this trigger is about a submission: give it with --submission FILE"));
    }
    let submission = submission.filter(|_| kind != Trigger::Schedule);
    let word = word(kind);
    let input = input(plan, word, submission.as_ref())?;
    if when.is_some_and(|when| when.eval(&AtStart { input: &input, now }) != Value::Bool(true)) {
        let why = format!(
            "no run would start: the condition `when` of the trigger `{word}` doesn't hold for this submission"
        );
        return Err(Stopped::new(Exit::NothingMatched, why));
    }
    Ok(Given { trigger: word, input })
}

/// The trigger that was asked for, or the first that there is, and its condition.
fn trigger(plan: &Plan, asked: Option<Trigger>) -> Result<(Trigger, Option<&Expr>), Stopped> {
    let of = |kind: Trigger| {
        plan.triggers.iter().find_map(|planned| match (kind, planned) {
            (Trigger::Created, Planned::Created { when }) | (Trigger::Updated, Planned::Updated { when }) => {
                Some((kind, when.as_ref()))
            }
            (Trigger::Manual, Planned::Manual) | (Trigger::Schedule, Planned::Schedule(_)) => Some((kind, None)),
            _ => None,
        })
    };
    let asked = match asked {
        Some(kind) => vec![kind],
        None => vec![Trigger::Created, Trigger::Updated, Trigger::Manual, Trigger::Schedule],
    };
    let found = asked.iter().find_map(|kind| of(*kind));
    found.ok_or_else(|| {
        let asked: Vec<&str> = asked.into_iter().map(word).collect();
        Stopped::new(Exit::NothingMatched, format!("the definition has no trigger `{}`", asked.join("`, `")))
    })
}

const fn word(kind: Trigger) -> &'static str {
    match kind {
        Trigger::Created => "created",
        Trigger::Updated => "updated",
        Trigger::Manual => "manual",
        Trigger::Schedule => "schedule",
    }
}

fn input(plan: &Plan, trigger: &str, submission: Option<&Submission>) -> Result<Value, Stopped> {
    let empty = Map::new();
    let fields = plan.input_fields(submission.map_or(&empty, |found| &found.fields));
    let fields = fields.map_err(|Problems(found)| {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        Stopped::failed(format!(
            "no run would start: the submission isn't as the definition says\n{}",
            found.join("\n")
        ))
    })?;
    Ok(json!({
        "tenant": super::TENANT,
        "workflow": plan.name,
        "version": 0,
        "trigger": { "kind": trigger, "event_id": null },
        "submission": {
            "app": submission.map(|found| found.app_id.as_deref().unwrap_or(plan.app.as_str())),
            "id": submission.map(|found| found.submission_id.as_deref().unwrap_or("dry-run")),
            "author": submission.map(|found| found.author_id.as_deref().unwrap_or("dry-run")),
            "revision": submission.map(|found| found.revision),
        },
        "hops": 1,
        "fields": fields,
    }))
}

/// What the names in a condition of a trigger stand for.
struct AtStart<'a> {
    input: &'a Value,
    now: Timestamp,
}

impl Env for AtStart<'_> {
    fn value(&self, root: &Root) -> Cow<'_, Value> {
        match root {
            Root::Field(name) => Cow::Borrowed(&self.input["fields"][name.as_str()]),
            Root::Submission => Cow::Borrowed(&self.input["submission"]),
            Root::Now => Cow::Owned(format!("{:.3}", self.now).into()),
            // Where there is no run yet, nothing else has a meaning.
            Root::Run | Root::Step(_) | Root::Var(_) | Root::Item(_) => Cow::Owned(Value::Null),
        }
    }
}
