//! A definition that somebody wants to publish, checked.

use std::collections::BTreeSet;

use sendoff_workflows::{Plan, Problem as Wrong, Problems, Published, plan::Trigger};
use serde_json::Value;

use super::{OfApp, channels};
use crate::{
    api::{
        ApiState, fields, form,
        problem::{Flaw, Problem},
    },
    model::{App, TriggerKind},
};

/// The most bytes of a definition in its canonical form: a record of it has to fit into an item of DynamoDB, of 400 KB.
const MAX_BYTES: usize = 256 * 1024;

/// A definition without faults.
pub(super) struct Definition {
    pub(super) plan: Plan,
    /// As version 1: the hash and the canonical form are the same for each number.
    pub(super) published: Published,
}

/// The definition in the body, which must be that of the workflow and the app in the path.
pub(super) fn read(body: Value, (app_id, workflow): &OfApp) -> Result<Definition, Problem> {
    let definition = sendoff_workflows::Definition::of(body).map_err(refused)?;
    let bytes = definition.canonical().len();
    if bytes > MAX_BYTES {
        let message = format!("the definition has {bytes} bytes, and must have at most {MAX_BYTES}");
        return Err(refused(Problems(vec![Wrong::new("", message)])));
    }
    let plan = Plan::of(&definition).map_err(refused)?;
    let published = Published::of(&definition, 1).map_err(refused)?;
    let mut flaws = Vec::new();
    for (place, said, path) in
        [("workflow", &*plan.name, workflow.as_str()), ("app", plan.app.as_str(), app_id.as_str())]
    {
        if said != path {
            flaws.push(Wrong::new(place, format!("is not the one in the path, `{path}`")));
        }
    }
    if flaws.is_empty() { Ok(Definition { plan, published }) } else { Err(refused(Problems(flaws))) }
}

/// Refuses a workflow that isn't made for the form of its app.
pub(super) fn fits(app: &App, plan: &Plan) -> Result<(), Problem> {
    let flaws = app.flaws_of_workflow(&plan.fields);
    match flaws.is_empty() {
        true => Ok(()),
        false => Err(form::misfit(flaws)),
    }
}

/// Refuses a workflow that can't be carried out here.
pub(super) fn can_run(api: &ApiState, plan: &Plan) -> Result<(), Problem> {
    let mut problems = api.check_workflow(plan).err().map_or_else(Vec::new, |Problems(problems)| problems);
    problems.extend(api.channels().into_iter().flat_map(|on| channels::off(plan, on)));
    if problems.is_empty() { Ok(()) } else { Err(refused(Problems(problems))) }
}

/// What starts it.
pub(super) fn triggers(plan: &Plan) -> BTreeSet<TriggerKind> {
    let kind = |trigger: &Trigger| match trigger {
        Trigger::Created { .. } => TriggerKind::Created,
        Trigger::Updated { .. } => TriggerKind::Updated,
        Trigger::Schedule(_) => TriggerKind::Schedule,
        Trigger::Manual => TriggerKind::Manual,
    };
    plan.triggers.iter().map(kind).collect()
}

fn refused(Problems(problems): Problems) -> Problem {
    let flaw = |wrong: Wrong| {
        let pointer = Some(pointer(&wrong.place));
        // The place is told by the pointer.
        let detail = Wrong { place: String::new(), ..wrong }.to_string();
        Flaw { pointer, parameter: None, detail }
    };
    Problem::invalid_fields(problems.into_iter().map(flaw).collect())
}

/// A place such as `steps[2].http["a name"]` as a JSON Pointer: `#/steps/2/http/a%20name`.
fn pointer(place: &str) -> String {
    let mut names = Vec::new();
    let mut rest = place;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let end = quoted.find("\"]").unwrap_or(quoted.len());
            names.push(quoted[..end].replace("\\\"", "\"").replace("\\\\", "\\"));
            rest = quoted.get(end + 2..).unwrap_or_default();
        } else if let Some(index) = rest.strip_prefix('[') {
            let end = index.find(']').unwrap_or(index.len());
            names.push(index[..end].to_owned());
            rest = index.get(end + 1..).unwrap_or_default();
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            names.push(name[..end].to_owned());
            rest = &name[end..];
        }
    }
    fields::join("#", &names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn a_place_becomes_a_pointer() {
        assert_eq!(pointer(""), "#");
        assert_eq!(pointer("workflow"), "#/workflow");
        assert_eq!(pointer("steps[2].then[0].email.subject"), "#/steps/2/then/0/email/subject");
        assert_eq!(
            pointer("steps[0].parallel[1][3].http.query[\"a.b[c]/d\"].x"),
            "#/steps/0/parallel/1/3/http/query/a.b%5Bc%5D~1d/x"
        );
        for odd in ["[", "[\"", "..", "a.", "a[\"b", "[\"é\"]é.é"] {
            assert!(pointer(odd).starts_with('#'), "{odd}");
        }
    }
}
