//! How large a definition may be, and that its steps have ids of their own.

use std::collections::HashMap;

use crate::{
    Definition, Problem, Type,
    definition::{OnError, Step, Var},
    place::{self, quoted},
    problem::Report,
};

/// The most steps.
pub const MAX_STEPS: usize = 500;
/// The most that blocks of steps stand in each other.
pub const MAX_NESTING: usize = 20;
/// The most branches or cases of one step.
pub const MAX_BRANCHES: usize = 40;
/// The most bytes of a step's id.
const MAX_ID: usize = 40;
/// The most variables and fields together.
pub const MAX_NAMES: usize = 200;
/// The most names in the objects that they and the results of steps are declared to be, however deep.
pub const MAX_INNER_NAMES: usize = 1_000;

/// Reports what is beyond the limits, and steps that have no good id of their own. Whether it is too large to be looked at further.
pub(super) fn check(definition: &Definition, report: &mut Report) -> bool {
    let (mut count, mut too_deep, mut ids, mut wrong_ids) = (0, false, Ids::default(), Vec::new());
    let mut inner = inner_names(definition);
    each(&definition.steps, "steps", 1, &mut |step, place, depth| {
        count += 1;
        inner += results(step).map(|ty| 1 + ty.names()).sum::<usize>();
        too_deep |= depth > MAX_NESTING;
        if count <= MAX_STEPS {
            wrong_ids.extend(ids.wrong(&step.id, place));
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
    if inner > MAX_INNER_NAMES {
        let message =
            format!("there are {inner} names in objects and results of steps, and may be at most {MAX_INNER_NAMES}");
        report.push(Problem::new("fields", message).help("leave out what no expression names"));
    }
    // Ids are repeated in what is said about other steps.
    let too_large = !report.is_empty() || ids.too_long;
    wrong_ids.into_iter().for_each(|problem| report.push(problem));
    too_large
}

/// How many names there are in the fields and variables that are objects.
fn inner_names(definition: &Definition) -> usize {
    let vars = definition.vars.values().map(|var| match var {
        Var::Type(ty) => ty,
        Var::Initial(var) => &var.r#type,
    });
    definition.fields.values().chain(vars).map(Type::names).sum()
}

/// What a step declares of its result.
fn results(step: &Step) -> impl Iterator<Item = &Type> {
    let response = step.http.iter().flat_map(|http| http.response.values().map(|part| &part.r#type));
    response.chain(step.database.iter().flat_map(|database| database.returns.values()))
}

/// The ids of steps, and where each was first.
#[derive(Default)]
struct Ids {
    known: HashMap<String, String>,
    too_long: bool,
}

impl Ids {
    /// What is wrong with the id of the step at this place, if anything is.
    fn wrong(&mut self, id: &str, place: &str) -> Option<Problem> {
        let at = place::field(place, "id");
        self.too_long |= id.len() > MAX_ID;
        if !is_id(id) {
            let help = "begin with a small letter; then up to 39 of `a-z`, `0-9` and `_`";
            return Some(Problem::new(at, format!("{} is no good id", quoted(id))).help(help));
        }
        if let Some(first) = self.known.get(id) {
            let message = format!("{} is the id of {first} too", quoted(id));
            return Some(Problem::new(at, message).help("ids are unique in the whole workflow"));
        }
        self.known.insert(id.to_owned(), place.to_owned());
        None
    }
}

/// Whether it is the id of a step.
fn is_id(text: &str) -> bool {
    text.len() <= MAX_ID
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
