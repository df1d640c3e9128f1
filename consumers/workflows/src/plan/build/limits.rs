//! How large a definition may be, and that its steps have ids of their own.

use std::collections::HashMap;

use crate::{
    Definition, Problem,
    definition::{OnError, Step},
    place::{self, quoted},
    problem::Report,
};

/// The most steps.
pub const MAX_STEPS: usize = 500;
/// The most that blocks of steps stand in each other.
pub const MAX_NESTING: usize = 20;
/// The most branches or cases of one step.
pub const MAX_BRANCHES: usize = 40;
/// The most variables and fields together.
pub const MAX_NAMES: usize = 200;

/// Reports what is beyond the limits, and steps that have no good id.
pub(super) fn check(definition: &Definition, report: &mut Report) {
    let (mut count, mut too_deep, mut ids) = (0, false, HashMap::<String, String>::new());
    let mut twice = Vec::new();
    each(&definition.steps, "steps", 1, &mut |step, place, depth| {
        count += 1;
        too_deep |= depth > MAX_NESTING;
        if count <= MAX_STEPS {
            let at = place::field(place, "id");
            if !is_id(&step.id) {
                let message = format!("{} is no good id", quoted(&step.id));
                let help = "begin with a small letter; then up to 39 of `a-z`, `0-9` and `_`";
                twice.push(Problem::new(at, message).help(help));
            } else if let Some(first) = ids.get(&step.id) {
                let message = format!("{} is the id of {first} too", quoted(&step.id));
                twice.push(Problem::new(at, message).help("ids are unique in the whole workflow"));
            } else {
                ids.insert(step.id.clone(), place.to_owned());
            }
        }
    });
    if count > MAX_STEPS {
        report.push(
            Problem::new("steps", format!("there are {count} steps, and may be at most {MAX_STEPS}"))
                .help("let one workflow start another by a record in another app"),
        );
    }
    if too_deep {
        report.push(
            Problem::new("steps", format!("steps stand more than {MAX_NESTING} deep in each other"))
                .help("many conditions on one value are one `switch`, or an `if` with `elif`"),
        );
    }
    let names = definition.vars.len() + definition.fields.len();
    if names > MAX_NAMES {
        let message = format!("there are {names} fields and variables, and may be at most {MAX_NAMES}");
        report.push(
            Problem::new("fields", message).help("declare the fields that expressions name, not all of the form"),
        );
    }
    for problem in twice {
        report.push(problem);
    }
}

/// Whether it is the id of a step.
fn is_id(text: &str) -> bool {
    text.len() <= 40
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Calls `look` for each step, however deep it stands, with its place and how many blocks it is in. The definition's depth was
/// bounded when it was read.
pub(super) fn each(steps: &[Step], place: &str, depth: usize, look: &mut impl FnMut(&Step, &str, usize)) {
    for (n, step) in steps.iter().enumerate() {
        let place = place::item(place, n);
        look(step, &place, depth);
        for (place, block) in blocks(step, &place) {
            each_boxed(block, &place, depth + 1, look);
        }
    }
}

/// Without it the type of `look` would hold itself.
fn each_boxed(steps: &[Step], place: &str, depth: usize, look: &mut dyn FnMut(&Step, &str, usize)) {
    each(steps, place, depth, &mut |step, place, depth| look(step, place, depth));
}

/// The blocks of a step, with their places.
fn blocks<'a>(step: &'a Step, at: &str) -> Vec<(String, &'a [Step])> {
    let field = |name: &str| place::field(at, name);
    let mut blocks: Vec<(String, &[Step])> = Vec::new();
    let plain = [("then", &step.then), ("else", &step.r#else), ("do", &step.r#do)];
    blocks.extend(plain.iter().filter_map(|(name, block)| Some((field(name), block.as_deref()?))));
    for (n, elif) in step.elif.iter().flatten().enumerate() {
        blocks.push((place::field(&place::item(&field("elif"), n), "then"), &elif.then));
    }
    for (n, case) in step.cases.iter().flatten().enumerate() {
        blocks.push((place::field(&place::item(&field("cases"), n), "then"), &case.then));
    }
    for (n, branch) in step.parallel.iter().flatten().enumerate() {
        blocks.push((place::item(&field("parallel"), n), branch));
    }
    if let Some(OnError::Steps(block)) = &step.on_error {
        blocks.push((place::field(&field("on_error"), "steps"), block));
    }
    blocks
}
