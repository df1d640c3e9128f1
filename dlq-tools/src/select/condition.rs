//! Conditions in CEL (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>).
//!
//! Both sides may be hostile: letters hold whatever somebody sent, and a condition may be pasted from anywhere. So a condition is
//! short ([`MAX_SOURCE`]) and nested little, has no way to build lists that grow (`map`), and looks at a bounded number of
//! elements in each letter. Regular expressions take time that is linear in the text. An error never repeats a letter's values.

use std::{io, sync::Arc};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Value,
    common::{
        ast::{Expr, SourceInfo},
        types::CelBool,
    },
};
use sendoff_embedded::program::print::one_line;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

use super::{
    variables::{MAX_TURNS, Variables},
    words::{self, Misnamed, Uses},
};
use crate::letter::Letter;

/// The longest condition, in bytes.
const MAX_SOURCE: usize = 2_000;
/// What reading the longest condition needs, in bytes, and several times that.
const READER_STACK: usize = 64 << 20;

/// A condition that is ready to be asked.
pub(super) struct Condition {
    expression: IdedExpr,
    places: SourceInfo,
    uses: Uses,
    env: Arc<Env>,
}

impl Condition {
    /// Reads a condition, and checks that all it names is there.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`], what is wrong, and where.
    pub(super) fn new(source: &str) -> Result<Self, Stopped> {
        if source.len() > MAX_SOURCE {
            let length = source.len();
            return Err(Stopped::new(
                Exit::Usage,
                format_args!("--where has {length} bytes: write at most {MAX_SOURCE}, or use --id for single letters"),
            ));
        }
        if source.trim().is_empty() {
            return Err(Stopped::new(
                Exit::Usage,
                "--where: the condition is empty; leave --where out for all letters",
            ));
        }
        // Reading takes stack in proportion to the length, and only then is it known how deep the condition is.
        let read = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(READER_STACK);
            thread.spawn_scoped(scope, || Self::read(source))?.join().map_err(|_| io::Error::other("the reader broke"))
        });
        read.map_err(|error| Stopped::failed(format_args!("--where can't be read: {error}")))?
    }

    fn read(source: &str) -> Result<Self, Stopped> {
        let env = Env::stdlib().with_optional_support(false);
        let (mut expression, places) = env.parser().parse_with_source_info(source).map_err(|errors| {
            let first = errors.errors.first();
            let place = first.map_or(Place::NONE, |error| Place { line: error.pos.0, column: error.pos.1 });
            let why = match first.map_or("it can't be read", |error| error.msg.trim()) {
                // The parser tells of its own insides then.
                deep if deep.contains("Recursion limit") => "it is nested too deeply",
                why => why,
            };
            wrong(source, place, format_args!("{why}. Texts stand in quotes, and it has to come to yes or no"))
        })?;
        let uses =
            words::check(&mut expression).map_err(|Misnamed { id, why }| wrong(source, Place::of(&places, id), why))?;
        Ok(Self { expression, places, uses, env: Arc::new(env) })
    }

    /// Whether the letter fits. One that lacks what the condition comes down to doesn't.
    ///
    /// # Errors
    ///
    /// With [`Exit::Usage`] when it comes to no yes or no.
    pub(super) fn fits(&self, letter: &Letter, lost_at: Option<Timestamp>, now: Timestamp) -> Result<bool, Stopped> {
        let variables = Variables::new(&self.uses, letter, lost_at, now);
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(&variables);
        let value = Value::resolve_val(&self.expression, &context);
        let stop = |place: Place, why: &str| {
            let id = one_line(&letter.message.message_id);
            Err(wrong(&self.places.source, place, format_args!("for the letter {id}, {why}")))
        };
        if variables.is_exhausted() {
            return stop(Place::NONE, &format!("it looks at more than {MAX_TURNS} elements: nest fewer loops"));
        }
        match value {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(answer) => Ok(*answer.inner()),
                None => stop(
                    Place::of(&self.places, self.expression.id),
                    &format!("it comes to the type `{}`, not to yes or no", value.get_type().name()),
                ),
            },
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => {
                let culprit = culprit(&self.expression, &error, &context);
                stop(Place::of(&self.places, culprit), &in_words(&error))
            }
        }
    }
}

/// Whether the letter merely lacks something: a field, an element, or whatever could have one.
fn is_missing(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => true,
        ExecutionError::NoSuchOverload(overload) => matches!(overload.function(), "_._" | "_[_]"),
        _ => false,
    }
}

/// The innermost part that fails like this, as far as it can be evaluated by itself.
fn culprit(expression: &IdedExpr, error: &ExecutionError, context: &Context<'_, '_>) -> u64 {
    let parts: Vec<&IdedExpr> = match &expression.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Comprehension(comprehension) => vec![&comprehension.iter_range],
        _ => Vec::new(),
    };
    let failing = parts.into_iter().find(|part| Value::resolve_val(part, context).is_err_and(|other| other == *error));
    failing.map_or(expression.id, |part| culprit(part, error, context))
}

/// What went wrong, without any value: it may be personal.
fn in_words(error: &ExecutionError) -> String {
    const ASK: &str = "ask for the type first: `type(x) == int && x > 3`";
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let function = overload.function().trim_matches(['_', '@']);
            let types = overload.argument_types().join(" and ");
            format!("`{function}` can't be used on {types}; {ASK}")
        }
        ExecutionError::UnexpectedType { got, want } => {
            format!("there is the type `{got}` where `{want}` belongs; {ASK}")
        }
        ExecutionError::ValuesNotComparable(one, other) => {
            format!("a {} and a {} can't be compared; {ASK}", one.type_of(), other.type_of())
        }
        ExecutionError::UnsupportedBinaryOperator(operator, one, other) => {
            format!("`{operator}` can't be used on {} and {}; {ASK}", one.type_of(), other.type_of())
        }
        ExecutionError::FunctionError { function, .. } if function == "matches" => {
            "`matches` was given no regular expression, or one that is too large".into()
        }
        ExecutionError::FunctionError { function, .. } => format!("`{function}` can't be used on what is there; {ASK}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".into(),
        ExecutionError::Overflow(..) => "a number grows too large".into(),
        ExecutionError::UndeclaredReference(name) => {
            format!("there is no `{}`", name.chars().take(40).collect::<String>().escape_debug())
        }
        _ => format!("it can't be evaluated; {ASK}"),
    }
}

/// A place in a condition: line and column from 1.
#[derive(Clone, Copy)]
struct Place {
    line: isize,
    column: isize,
}

impl Place {
    const NONE: Self = Self { line: 0, column: 0 };

    fn of(places: &SourceInfo, id: u64) -> Self {
        let Some((start, _)) = places.offset_for(id) else { return Self::NONE };
        let before = places.source.get(..start as usize).unwrap_or_default();
        let line = before.matches('\n').count() as isize + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() as isize + 1;
        Self { line, column }
    }
}

fn wrong(source: &str, place: Place, why: impl std::fmt::Display) -> Stopped {
    let Place { line, column } = place;
    let Some(text) = usize::try_from(line - 1).ok().and_then(|line| source.lines().nth(line)) else {
        return Stopped::new(Exit::Usage, one_line(&format!("--where makes no sense: {why}")));
    };
    let column = column.max(1) as usize;
    // A window around the place, for conditions that are longer than a line.
    let from = column.saturating_sub(50);
    let window: String = text.chars().skip(from).take(100).collect();
    let arrow = " ".repeat(column - 1 - from.min(column - 1));
    let place =
        if source.lines().count() > 1 { format!("line {line}, column {column}") } else { format!("column {column}") };
    let why = one_line(&why.to_string());
    Stopped::new(
        Exit::Usage,
        format_args!("--where makes no sense at {place}: {why}\n    {}\n    {arrow}^", one_line(&window)),
    )
}
