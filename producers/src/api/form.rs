//! The fields of an app's form: what an app says of them, and whether a submission keeps to it.

use std::{collections::BTreeMap, sync::Arc};

use sendoff_workflows::Type;
use serde_json::{Map, Value};

use super::{
    fields::{self, Fields},
    problem::{Flaw, Problem},
};
use crate::model::FormFlaw;

/// The most fields that a form may have, and that an object in it may.
const MOST: usize = 500;
/// How deep lists and objects may be nested.
const DEEPEST: usize = 5;

/// The form that stands here: a type by each field's name.
pub(super) fn fields(form: &mut Fields) -> Option<BTreeMap<String, Type>> {
    let all = form.rest();
    types(form, &[], all, 1)
}

fn types(form: &mut Fields, path: &[&str], all: Map<String, Value>, depth: usize) -> Option<BTreeMap<String, Type>> {
    if all.len() > MOST {
        form.blame(path, format!("has {} fields, more than {MOST}", all.len()));
        return None;
    }
    let mut types = BTreeMap::new();
    for (name, value) in all {
        let path = &[path, &[&*name]].concat();
        form.parse(path, Value::String(name.clone()), fields::line::<1, 100>);
        if let Some(ty) = type_of(form, path, value, depth) {
            types.insert(name, ty);
        }
    }
    Some(types)
}

fn type_of(form: &mut Fields, path: &[&str], value: Value, depth: usize) -> Option<Type> {
    let plain = match &value {
        Value::String(name) => match name.as_str() {
            "text" => Some(Type::Text),
            "number" => Some(Type::Number),
            "boolean" => Some(Type::Boolean),
            "date" => Some(Type::Date),
            "datetime" => Some(Type::DateTime),
            _ => None,
        },
        _ => None,
    };
    if plain.is_some() {
        return plain;
    }
    let Some((kind, inner)) = only_member(value) else {
        form.blame(path, KINDS.into());
        return None;
    };
    if depth == DEEPEST {
        form.blame(path, format!("is nested more than {DEEPEST} levels deep"));
        return None;
    }
    let path = &[path, &[&*kind]].concat();
    match (kind.as_str(), inner) {
        ("list", item) => Some(Type::List(Box::new(type_of(form, path, item, depth + 1)?))),
        ("object", Value::Object(fields)) => types(form, path, fields, depth + 1).map(Arc::new).map(Type::Object),
        _ => {
            form.blame(path, KINDS.into());
            None
        }
    }
}

fn only_member(value: Value) -> Option<(String, Value)> {
    match value {
        Value::Object(object) if object.len() == 1 => object.into_iter().next(),
        _ => None,
    }
}

/// Fields that aren't as the form of the app has them, under `fields` of the body.
pub(super) fn misfit(flaws: Vec<FormFlaw>) -> Problem {
    let flaw = |FormFlaw { field, why }| Flaw {
        pointer: Some(fields::join("#/fields", &[&field])),
        parameter: None,
        detail: why,
    };
    Problem::invalid_fields(flaws.into_iter().map(flaw).collect())
}

const KINDS: &str = "is not a type: use `text`, `number`, `boolean`, `date`, `datetime`, `{\"list\": type}` or `{\"object\": {name: \
                     type}}`";
