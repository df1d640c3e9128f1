//! What `--answer` says, beside what the action can answer.

use std::sync::Arc;

use sendoff_workflows::{
    Type,
    expr::normalize,
    plan::{Act, Action},
};
use serde_json::{Map, Value};

/// Whether the action can answer this, or else what is wrong.
pub(super) fn check(act: &Act, answer: &Map<String, Value>) -> Result<(), String> {
    let mut output = act.output.clone();
    // What was answered has no error: `--fail` says that.
    output.remove("error");
    let ty = Type::Object(Arc::new(output));
    let answer = Value::Object(answer.clone());
    if let Some(place) = unknown(&answer, &ty) {
        return Err(format!("its step has no `{place}`; there is {}", names(&ty)));
    }
    normalize(&answer, &ty).map_err(|why| format!("its {why}"))?;
    let statuses: &[&str] = match act.action {
        Action::Http | Action::Database | Action::Record => &["done"],
        Action::Email | Action::Sms | Action::Whatsapp | Action::Push => &["sent", "skipped"],
    };
    match answer["status"].as_str() {
        Some(status) if !statuses.contains(&status) => {
            Err(format!("its status is never `{status}`, but {}; what fails is said by --fail", statuses.join(" or ")))
        }
        _ => Ok(()),
    }
}

/// Where the value has a name that its type doesn't have.
fn unknown(value: &Value, ty: &Type) -> Option<String> {
    match (value, ty) {
        (Value::Object(values), Type::Object(names)) => values.iter().find_map(|(name, value)| match names.get(name) {
            None => Some(name.clone()),
            Some(ty) => unknown(value, ty).map(|place| {
                let dot = if place.starts_with('[') { "" } else { "." };
                format!("{name}{dot}{place}")
            }),
        }),
        (Value::Array(items), Type::List(ty)) => items.iter().enumerate().find_map(|(n, item)| {
            let place = unknown(item, ty)?;
            Some(format!("[{n}].{place}"))
        }),
        _ => None,
    }
}

fn names(ty: &Type) -> String {
    let Type::Object(names) = ty else { return ty.to_string() };
    let names: Vec<_> = names.iter().map(|(name, ty)| format!("`{name}` ({ty})")).collect();
    names.join(", ")
}
