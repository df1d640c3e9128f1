//! What a condition may name: the five variables with their fields, and functions. A name that nothing has is a mistake, not a
//! condition that fits nothing.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use sendoff_host::config::nearest;

/// The variables, and the fields of those whose fields are known.
const VARIABLES: [(&str, &[&str]); 5] = [
    (
        "envelope",
        &[
            "id",
            "source",
            "type",
            "subject",
            "time",
            "tenantid",
            "correlationid",
            "causationid",
            "traceparent",
            "firstpublished",
            "sequence",
        ],
    ),
    ("data", &[]),
    ("failure", &["reason", "class", "fingerprint", "consumer", "attempts", "first_at", "last_at", "error"]),
    ("ledger", &["status", "attempts", "replay", "doubted", "steps", "history", "first_at", "updated_at"]),
    (
        "message",
        &[
            "id",
            "shape",
            "receive_count",
            "replays",
            "enqueued_at",
            "lost_at",
            "age_s",
            "attributes",
            "size",
            "group",
            "unreadable",
            "edited",
        ],
    ),
];

/// What `type(x)` is compared with.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

const FUNCTIONS: [&str; 14] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "has",
];

/// The deepest condition that is evaluated, which happens on the stack.
const MAX_DEPTH: usize = 32;

/// The name by which the evaluation of an element is counted. No condition can spell it.
pub(super) const TICK: &str = "@tick";

/// Which fields of a variable are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    /// All of them, or nobody can tell.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Fields {
    /// Whether this one is.
    pub(super) fn has(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(fields) => fields.contains(field),
        }
    }
}

/// What a condition asks for, by variable; `None` for one that it doesn't name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses([Option<Fields>; 5]);

impl Uses {
    /// What it asks of this variable.
    pub(super) fn of(&self, variable: &str) -> Option<&Fields> {
        self.0[place(variable)?].as_ref()
    }

    fn all(&mut self, place: usize) {
        self.0[place] = Some(Fields::All);
    }

    fn one(&mut self, place: usize, field: &str) {
        match self.0[place].get_or_insert_with(|| Fields::Some(BTreeSet::new())) {
            Fields::All => {}
            Fields::Some(fields) => drop(fields.insert(field.to_owned())),
        }
    }
}

/// The variable's place among the five.
pub(super) fn place(variable: &str) -> Option<usize> {
    VARIABLES.iter().position(|(name, _)| *name == variable)
}

/// A condition can't be used, because of the expression with this id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misnamed {
    pub(super) id: u64,
    pub(super) why: String,
}

/// Checks all names of a condition, and makes every loop in it count its turns. Gives what it asks for.
pub(super) fn check(expression: &mut IdedExpr) -> Result<Uses, Misnamed> {
    let mut reader = Reader { uses: Uses::default(), bound: Vec::new(), depth: 0 };
    reader.read(expression)?;
    Ok(reader.uses)
}

struct Reader {
    uses: Uses,
    /// The names of the elements of the loops around.
    bound: Vec<String>,
    depth: usize,
}

impl Reader {
    fn read(&mut self, expression: &mut IdedExpr) -> Result<(), Misnamed> {
        let wrong = |why: String| Err(Misnamed { id: expression.id, why });
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return wrong(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        match &mut expression.expr {
            Expr::Literal(_) => {}
            Expr::Ident(name) => match self.variable(name) {
                Some(place) => self.uses.all(place),
                None if self.is_bound(name) || name.starts_with('@') || TYPES.contains(&name.as_str()) => {}
                None => {
                    let known = VARIABLES.iter().map(|(name, _)| *name);
                    return wrong(unknown("variable", name, known));
                }
            },
            Expr::Select(select) => {
                let field = select.field.clone();
                match self.named(&select.operand) {
                    Some(place) => self.field(place, &field).or_else(wrong)?,
                    None => self.read(&mut select.operand)?,
                }
            }
            Expr::Call(call) => {
                if let Some(why) = misused(call) {
                    return wrong(why);
                }
                match self.indexed(call) {
                    Some((place, field)) => self.field(place, &field).or_else(wrong)?,
                    None => {
                        for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                            self.read(part)?;
                        }
                    }
                }
            }
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.read(element))?,
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.read(&mut entry.key)?;
                        self.read(&mut entry.value)?;
                    }
                }
            }
            Expr::Comprehension(comprehension) => {
                if builds(comprehension) {
                    return wrong("there is no `map`: what it builds may be too large; use `exists` or `all`".into());
                }
                self.comprehension(comprehension)?;
            }
            Expr::Struct(_) | Expr::Unspecified => {
                return wrong("nothing is built here: a map is written `{\"a\": 1}`".into());
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> Result<(), Misnamed> {
        self.read(&mut comprehension.iter_range)?;
        self.bound.push(comprehension.iter_var.clone());
        if let Some(element) = element(&mut comprehension.loop_step) {
            self.read(element)?;
            count(element);
        }
        self.bound.pop();
        Ok(())
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|bound| bound == name)
    }

    /// The place of the variable of this name, unless a loop's element has taken it. A dot before it means the variable.
    fn variable(&self, name: &str) -> Option<usize> {
        match name.strip_prefix('.') {
            Some(name) => place(name),
            None if self.is_bound(name) => None,
            None => place(name),
        }
    }

    fn named(&self, expression: &IdedExpr) -> Option<usize> {
        match &expression.expr {
            Expr::Ident(name) => self.variable(name),
            _ => None,
        }
    }

    /// The variable and the field of `variable["field"]`.
    fn indexed(&self, call: &CallExpr) -> Option<(usize, String)> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::INDEX, [variable, IdedExpr { expr: Expr::Literal(LiteralValue::String(field)), .. }]) => {
                Some((self.named(variable)?, field.inner().to_owned()))
            }
            _ => None,
        }
    }

    fn field(&mut self, place: usize, field: &str) -> Result<(), String> {
        let (variable, fields) = VARIABLES[place];
        if !fields.is_empty() && !fields.contains(&field) {
            return Err(unknown(&format!("`{variable}` field"), field, fields.iter().copied()));
        }
        self.uses.one(place, field);
        Ok(())
    }
}

/// Why this call can't be made.
fn misused(call: &CallExpr) -> Option<String> {
    let name = call.func_name.as_str();
    if name == operators::IN || !name.starts_with(|c: char| c.is_alphabetic()) || FUNCTIONS.contains(&name) {
        return None;
    }
    const LOOPS: [&str; 4] = ["all", "exists", "exists_one", "filter"];
    if LOOPS.contains(&name) {
        return Some(format!(
            "write `{name}` behind a list, with a name and a condition: `data.tags.{name}(tag, tag == \"a\")`"
        ));
    }
    Some(unknown("function", name, FUNCTIONS.into_iter().chain(LOOPS)))
}

/// Whether a loop builds values that weren't there: it adds something else than its elements to a list.
fn builds(comprehension: &ComprehensionExpr) -> bool {
    let call = |expression: &IdedExpr| match &expression.expr {
        Expr::Call(call) => Some((call.func_name.clone(), call.args.clone())),
        _ => None,
    };
    let step = match call(&comprehension.loop_step) {
        Some((name, args)) if name == operators::CONDITIONAL => args.get(1).and_then(call),
        step => step,
    };
    let Some((name, args)) = step else { return false };
    let added = args.get(1).map(|added| &added.expr);
    name == operators::ADD
        && matches!(added, Some(Expr::List(list)) if list.elements.iter().any(|element| {
            !matches!(&element.expr, Expr::Ident(name) if *name == comprehension.iter_var)
        }))
}

/// What of a loop's step a person wrote.
fn element(step: &mut IdedExpr) -> Option<&mut IdedExpr> {
    let Expr::Call(call) = &mut step.expr else { return None };
    let place = match call.func_name.as_str() {
        operators::CONDITIONAL => 0,
        _ => 1,
    };
    call.args.get_mut(place)
}

/// `element` becomes `@tick ? element : false`.
fn count(element: &mut IdedExpr) {
    let id = element.id;
    let counted = std::mem::take(element);
    let ided = |expr| IdedExpr { id, expr };
    let args =
        vec![ided(Expr::Ident(TICK.to_owned())), counted, ided(Expr::Literal(LiteralValue::Boolean(false.into())))];
    *element = ided(Expr::Call(CallExpr { func_name: operators::CONDITIONAL.to_owned(), target: None, args }));
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let name: String = name.chars().take(40).collect();
    let rest = match nearest(&name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("there is no {what} `{}`; {rest}", name.escape_debug())
}
