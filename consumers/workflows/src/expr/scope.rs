//! What is known at a place of a definition.

use std::{collections::BTreeMap, sync::Arc};

use super::{Ref, Root};
use crate::Type;

/// What names expressions may use at a place. A clone shares what it has with the first one until one of them gets more.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    fields: Arc<BTreeMap<String, Type>>,
    steps: Arc<BTreeMap<String, Type>>,
    hidden: Arc<BTreeMap<String, String>>,
    vars: Arc<BTreeMap<String, Type>>,
    items: Arc<BTreeMap<String, Type>>,
    submission: bool,
    run: bool,
}

/// A name that isn't known: what is wrong, and what to do about it.
pub(super) struct Unknown {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// First names that fields can't have without `fields.` before them.
const RESERVED: [&str; 5] = ["fields", "submission", "run", "steps", "vars"];

impl Scope {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields of the form are these.
    #[must_use]
    pub fn fields(mut self, fields: BTreeMap<String, Type>) -> Self {
        self.fields = Arc::new(fields);
        self
    }

    /// `{submission.…}` is known.
    #[must_use]
    pub fn submission(mut self) -> Self {
        self.submission = true;
        self
    }

    /// `{run.…}` and `NOW()` are known.
    #[must_use]
    pub fn run(mut self) -> Self {
        self.run = true;
        self
    }

    /// The variables are these.
    #[must_use]
    pub fn vars(mut self, vars: BTreeMap<String, Type>) -> Self {
        self.vars = Arc::new(vars);
        self
    }

    /// A step stands before, and its result has this type: an object.
    pub fn add_step(&mut self, id: impl Into<String>, result: Type) {
        let id = id.into();
        if self.hidden.contains_key(&id) {
            Arc::make_mut(&mut self.hidden).remove(&id);
        }
        Arc::make_mut(&mut self.steps).insert(id, result);
    }

    /// A step is somewhere, but its result can't be used here. `why` says it in words that go on after "the result of `mail` isn't
    /// known here: ", such as "the step comes later".
    pub fn hide_step(&mut self, id: impl Into<String>, why: impl Into<String>) {
        let id = id.into();
        if self.steps.contains_key(&id) {
            Arc::make_mut(&mut self.steps).remove(&id);
        }
        Arc::make_mut(&mut self.hidden).insert(id, why.into());
    }

    /// Steps that are hidden for reasons, all at once.
    pub fn hide_steps(&mut self, steps: impl IntoIterator<Item = (String, String)>) {
        for (id, why) in steps {
            self.hide_step(id, why);
        }
    }

    /// A `for_each` is around, and its item is called so. It comes before a field of this name.
    pub fn add_item(&mut self, name: impl Into<String>, ty: Type) {
        Arc::make_mut(&mut self.items).insert(name.into(), ty);
    }

    pub(super) fn knows_run(&self) -> bool {
        self.run
    }

    /// What a name stands for, and its type.
    pub(super) fn resolve(&self, path: &[String]) -> Result<(Ref, Type), Unknown> {
        let (first, rest) = path.split_first().ok_or_else(|| unknown("this is no name", None))?;
        let second = || {
            rest.split_first()
                .ok_or_else(|| unknown(format!("`{first}` alone is no value"), Some(format!("write {{{first}.name}}"))))
        };
        if let Some(ty) = self.items.get(first) {
            return walk(Root::Item(first.clone()), ty, first, rest);
        }
        match first.as_str() {
            "fields" => {
                let (name, rest) = second()?;
                self.field(name, rest)
            }
            "submission" if self.submission => walk(Root::Submission, &submission(), first, rest),
            "run" if self.run => walk(Root::Run, &run(), first, rest),
            "submission" | "run" => Err(unknown(format!("there is no {first} here"), None)),
            "steps" => {
                let (id, rest) = second()?;
                match (self.steps.get(id), self.hidden.get(id)) {
                    (Some(ty), _) => walk(Root::Step(id.clone()), ty, &format!("steps.{id}"), rest),
                    (None, Some(why)) => Err(unknown(format!("the result of `{id}` isn't known here: {why}"), None)),
                    (None, None) => Err(self.no_step(id)),
                }
            }
            "vars" => {
                let (name, rest) = second()?;
                let ty = self.vars.get(name).ok_or_else(|| {
                    let help = near(name, self.vars.keys().map(String::as_str), "vars.")
                        .or_else(|| Some("declare it under `vars` of the workflow".to_owned()));
                    unknown(format!("there is no variable `{name}`"), help)
                })?;
                walk(Root::Var(name.clone()), ty, &format!("vars.{name}"), rest)
            }
            _ => self.field(first, rest),
        }
    }

    fn no_step(&self, id: &str) -> Unknown {
        let help = near(id, self.steps.keys().chain(self.hidden.keys()).map(String::as_str), "steps.");
        unknown(format!("there is no step `{id}` that has a result"), help)
    }

    fn field(&self, name: &str, rest: &[String]) -> Result<(Ref, Type), Unknown> {
        if let Some(ty) = self.fields.get(name) {
            return walk(Root::Field(name.to_owned()), ty, name, rest);
        }
        let help = if self.steps.contains_key(name) {
            Some(format!("the result of the step is {{steps.{name}}}"))
        } else if self.vars.contains_key(name) {
            Some(format!("the variable is {{vars.{name}}}"))
        } else {
            near(name, self.fields.keys().chain(self.items.keys()).map(String::as_str).chain(RESERVED), "")
                .or_else(|| Some("declare it under `fields` of the workflow".to_owned()))
        };
        Err(unknown(format!("there is no field `{name}`"), help))
    }
}

fn unknown(message: impl Into<String>, help: Option<String>) -> Unknown {
    Unknown { message: message.into(), help }
}

fn object<const N: usize>(names: [(&str, Type); N]) -> Type {
    Type::Object(Arc::new(names.map(|(name, ty)| (name.to_owned(), ty)).into()))
}

fn submission() -> Type {
    object([("id", Type::Text), ("author", Type::Text), ("app", Type::Text), ("revision", Type::Number)])
}

fn run() -> Type {
    object([("id", Type::Text), ("started", Type::DateTime)])
}

/// Goes into a value. On the way through a list it goes into each of its items.
fn walk(root: Root, ty: &Type, so_far: &str, path: &[String]) -> Result<(Ref, Type), Unknown> {
    let mut so_far = so_far.to_owned();
    let mut ty = ty;
    let mut each = None;
    for (index, name) in path.iter().enumerate() {
        if let Type::List(item) = ty {
            if each.is_some() {
                return Err(unknown(
                    format!("`{so_far}` would be a list of lists"),
                    Some("go through the outer list with for_each".into()),
                ));
            }
            each = Some(index);
            ty = item;
        }
        let Type::Object(names) = ty else {
            return Err(unknown(
                format!("`{so_far}` is {} and has no `{name}`", super::normalize::article(ty)),
                Some(format!("write {{{so_far}}}")),
            ));
        };
        ty = names.get(name).ok_or_else(|| {
            let help = near(name, names.keys().map(String::as_str), &format!("{so_far}."));
            unknown(format!("`{so_far}` has no `{name}`"), help.or_else(|| Some(listing(names.keys()))))
        })?;
        so_far = format!("{so_far}.{name}");
    }
    if each.is_some() && matches!(ty, Type::List(_)) {
        return Err(unknown(
            format!("`{so_far}` would be a list of lists"),
            Some("go through the outer list with for_each".into()),
        ));
    }
    let ty = if each.is_some() { Type::List(Box::new(ty.clone())) } else { ty.clone() };
    Ok((Ref { root, path: path.to_vec(), each }, ty))
}

fn listing<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.take(20).map(String::as_str).collect();
    if names.is_empty() { "it has no names at all".into() } else { format!("it has {}", names.join(", ")) }
}

/// A question after the name that was meant, if one is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 100 {
        return None;
    }
    let name = name.to_lowercase();
    known
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>, prefix: &str) -> Option<String> {
    nearest(name, known).map(|candidate| format!("did you mean {{{prefix}{candidate}}}?"))
}
