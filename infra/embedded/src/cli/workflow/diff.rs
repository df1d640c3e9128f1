//! `sendoff workflow diff`: what is different, by the ids of steps.

mod detail;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_workflows::Definition;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{args::Diff, found, input, opened::Opened};
use crate::cli::args::TableOrJson;
use detail::{Detail, changes, named};

/// What became of something from one definition to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Became {
    Added,
    Removed,
    Changed,
    Moved,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    what: Became,
    /// `step ask`, `field amount`, `trigger`.
    of: String,
    /// Where from and where to, or what of it has changed from what to what.
    details: Vec<Detail>,
}

pub(super) async fn run(config: &Config, args: &Diff) -> Result<Exit, Stopped> {
    let after = input::checked(&args.after)?;
    let before = match args.before.parse::<u32>() {
        Ok(number) if !Path::new(&args.before).exists() => {
            let opened = Opened::with_records(config, args.backend).await?;
            let name = after.plan.name.parse().map_err(Stopped::failed)?;
            found::definition(&*opened.records, &args.tenant, (&after.plan.app, &name), number).await?
        }
        _ => input::checked(Path::new(&args.before))?.definition,
    };
    let differences = differences(&before, &after.definition).map_err(Stopped::failed)?;
    match args.output {
        TableOrJson::Json => print::json(&differences)?,
        TableOrJson::Table => print::data(page(&differences))?,
    }
    if differences.is_empty() {
        print::prose("both say the same");
    }
    Ok(Exit::Done)
}

fn page(differences: &[Difference]) -> String {
    let mut page = String::new();
    for Difference { what, of, details } in differences {
        let _ = writeln!(page, "{:<9}{of}", print::word(what));
        for detail in details {
            let _ = writeln!(page, "         {}", print::one_line(&detail.in_short()));
        }
    }
    page
}

/// A step without those in it, and where it stands.
#[derive(Debug)]
struct Standing {
    /// Ids and places around it, such as `decide.then`.
    around: String,
    /// The step that stands before it in its block.
    behind: Option<String>,
    step: Map<String, Value>,
}

fn differences(before: &Definition, after: &Definition) -> Result<Vec<Difference>, serde_json::Error> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let mut found = Vec::new();
    for name in ["workflow", "app", "description", "on"] {
        let details = changes(before.get(name), after.get(name), "");
        if !details.is_empty() {
            found.push(Difference { what: Became::Changed, of: name.into(), details });
        }
    }
    for (name, one) in [("fields", "field"), ("vars", "variable")] {
        let object = |value: &Value| value.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        compare(&object(&before), &object(&after), |what, name, details| {
            found.push(Difference { what, of: format!("{one} {name}"), details });
        });
    }
    let (mut old, mut new) = (Steps::default(), Steps::default());
    old.block(&before["steps"], "");
    new.block(&after["steps"], "");
    for id in &old.order {
        if !new.steps.contains_key(id) {
            found.push(Difference { what: Became::Removed, of: format!("step {id}"), details: Vec::new() });
        }
    }
    for id in &new.order {
        let Some(now) = new.steps.get(id) else { continue };
        let Some(was) = old.steps.get(id) else {
            let details = vec![Detail::Place(place(now))];
            found.push(Difference { what: Became::Added, of: format!("step {id}"), details });
            continue;
        };
        let details = named(&was.step, &now.step, "");
        if !details.is_empty() {
            found.push(Difference { what: Became::Changed, of: format!("step {id}"), details });
        }
        if has_moved((id, was, &old), (now, &new)) {
            let details = vec![Detail::Place(format!("{} → {}", place(was), place(now)))];
            found.push(Difference { what: Became::Moved, of: format!("step {id}"), details });
        }
    }
    Ok(found)
}

/// Whether a step stands elsewhere: in another block, or behind another step. What was put in or taken out before it, or moved
/// itself, moves nothing else.
fn has_moved((id, was, old): (&str, &Standing, &Steps), (now, new): (&Standing, &Steps)) -> bool {
    if was.around != now.around {
        return true;
    }
    // Those that stand in the same block in both: a step that has come to stand before one that it stood behind has moved.
    let both = |steps: &Steps, other: &Steps| -> Vec<String> {
        let here = |id: &&String| {
            let stands = |steps: &Steps| steps.steps.get(*id).is_some_and(|step| step.around == was.around);
            stands(steps) && stands(other)
        };
        steps.order.iter().filter(here).cloned().collect()
    };
    let (old, new) = (both(old, new), both(new, old));
    let kept = longest(&old, &new);
    !kept.iter().any(|kept| kept == id)
}

/// The longest list that both have in the same order.
fn longest(old: &[String], new: &[String]) -> Vec<String> {
    let mut lengths = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (o, was) in old.iter().enumerate().rev() {
        for (n, now) in new.iter().enumerate().rev() {
            lengths[o][n] =
                if was == now { lengths[o + 1][n + 1] + 1 } else { lengths[o + 1][n].max(lengths[o][n + 1]) };
        }
    }
    let (mut o, mut n, mut kept) = (0, 0, Vec::new());
    while o < old.len() && n < new.len() {
        if old[o] == new[n] {
            kept.push(old[o].clone());
            (o, n) = (o + 1, n + 1);
        } else if lengths[o + 1][n] >= lengths[o][n + 1] {
            o += 1;
        } else {
            n += 1;
        }
    }
    kept
}

fn place(Standing { around, behind, .. }: &Standing) -> String {
    let within = if around.is_empty() { String::new() } else { format!("in {around}, ") };
    match behind {
        Some(behind) => format!("{within}behind {behind}"),
        None => format!("{within}first"),
    }
}

/// Says what became of each entry.
fn compare(old: &Map<String, Value>, new: &Map<String, Value>, mut say: impl FnMut(Became, &str, Vec<Detail>)) {
    for (name, was) in old {
        match new.get(name) {
            None => say(Became::Removed, name, Vec::new()),
            Some(now) if now != was => say(Became::Changed, name, changes(Some(was), Some(now), "")),
            Some(_) => {}
        }
    }
    new.keys().filter(|name| !old.contains_key(*name)).for_each(|name| say(Became::Added, name, Vec::new()));
}

/// All steps by their ids.
#[derive(Default)]
struct Steps {
    steps: BTreeMap<String, Standing>,
    order: Vec<String>,
}

impl Steps {
    fn block(&mut self, block: &Value, around: &str) {
        let mut behind: Option<String> = None;
        for step in block.as_array().into_iter().flatten() {
            let (Some(fields), Some(id)) = (step.as_object(), step["id"].as_str()) else { continue };
            let mut own = fields.clone();
            own.remove("id");
            let last = behind.replace(id.to_owned());
            self.order.push(id.to_owned());
            for name in ["then", "else", "do"] {
                if let Some(block) = own.remove(name) {
                    self.block(&block, &format!("{id}.{name}"));
                }
            }
            for (name, inner) in [("elif", "then"), ("cases", "then")] {
                for (at, one) in own.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
                    if let Some(block) = one.as_object_mut().and_then(|one| one.remove(inner)) {
                        self.block(&block, &format!("{id}.{name}[{at}]"));
                    }
                }
            }
            if let Some(Value::Array(branches)) = own.remove("parallel") {
                for (at, block) in branches.iter().enumerate() {
                    self.block(block, &format!("{id}.parallel[{at}]"));
                }
                own.insert("parallel".into(), branches.len().into());
            }
            if let Some(block) =
                own.get_mut("on_error").and_then(Value::as_object_mut).and_then(|on| on.remove("steps"))
            {
                self.block(&block, &format!("{id}.on_error"));
            }
            self.steps.insert(id.to_owned(), Standing { around: around.to_owned(), behind: last, step: own });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(steps: Value) -> Definition {
        let json = json!({ "workflow": "w", "app": "a", "fields": { "n": "number" }, "on": [{ "manual": true }], "steps": steps });
        Definition::of(json).unwrap()
    }

    fn mail(id: &str, text: &str) -> Value {
        json!({ "id": id, "email": { "to": { "user": "ada" }, "subject": "s", "text": text } })
    }

    fn told(before: Value, after: Value) -> String {
        page(&differences(&definition(before), &definition(after)).unwrap())
    }

    #[test]
    fn steps_are_told_apart_by_their_ids() {
        let before = json!([mail("a", "x"), mail("b", "x"), mail("c", "x")]);
        let after = json!([mail("b", "x"), mail("d", "x"), mail("c", "y")]);
        let expected = "removed  step a\n\
                        added    step d\n         behind b\n\
                        changed  step c\n         email.text: \"x\" → \"y\"\n";
        assert_eq!(told(before.clone(), after), expected);
        assert_eq!(told(before.clone(), before), "");
    }

    #[test]
    fn only_what_has_changed_its_place_has_moved() {
        let before = json!([mail("a", "x"), mail("b", "x"), mail("c", "x")]);
        let after = json!([mail("c", "x"), mail("a", "x"), mail("b", "x")]);
        assert_eq!(told(before.clone(), after), "moved    step c\n         behind b → first\n");
        let inside = json!([mail("a", "x"), { "id": "i", "if": "{n} > 1", "then": [mail("b", "x")] }, mail("c", "x")]);
        let expected = "added    step i\n         behind a\nmoved    step b\n         behind a → in i.then, first\n";
        assert_eq!(told(before, inside), expected);
    }

    #[test]
    fn what_starts_a_workflow_is_told_trigger_by_trigger() {
        let on = |on: Value| {
            let json = json!({ "workflow": "w", "app": "a", "fields": { "n": "number" }, "on": on, "steps": [mail("a", "x")] });
            Definition::of(json).unwrap()
        };
        let when = |limit: u32| json!({ "submission": "created", "when": format!("{{n}} > {limit}") });
        let (old, new) = (json!([when(1), { "manual": true }]), json!([when(2), { "manual": true }]));
        let expected = "changed  on\n         [0].when: \"{n} > 1\" → \"{n} > 2\"\n";
        assert_eq!(page(&differences(&on(old), &on(new)).unwrap()), expected);
    }

    #[test]
    fn a_program_gets_the_whole_of_what_was_and_is() {
        let text =
            |account: u32| format!("{}, to the account {account}. {}", "Dear customer".repeat(20), "Bye".repeat(50));
        let of = |account: u32| definition(json!([mail("a", &text(account))]));
        let differences = differences(&of(111), &of(222)).unwrap();
        let details = serde_json::to_value(&differences).unwrap()[0]["details"].take();
        assert_eq!(details, json!([format!("email.text: {} → {}", json!(text(111)), json!(text(222)))]));
        let page = page(&differences);
        assert!(page.contains("account 111. Bye") && page.contains("account 222. Bye"), "{page}");
        assert!(page.lines().all(|line| line.chars().count() < 200), "{page}");
    }

    #[test]
    fn what_a_step_has_in_it_is_not_told_twice() {
        let of = |text: &str, condition: &str| json!([{ "id": "i", "if": condition, "then": [mail("b", text)] }]);
        assert_eq!(
            told(of("x", "{n} > 1"), of("y", "{n} > 1")),
            "changed  step b\n         email.text: \"x\" → \"y\"\n"
        );
        let changed = "changed  step i\n         if: \"{n} > 1\" → \"{n} > 2\"\n";
        assert_eq!(told(of("x", "{n} > 1"), of("x", "{n} > 2")), changed);
    }
}
