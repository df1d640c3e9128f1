//! Who may do what.

pub(super) mod keys;
pub(super) mod reach;
pub(super) mod roles;
pub(super) mod services;

use serde_json::Value;

use super::{Rule, Template};
use crate::template::document::{Resource, referred};

/// One or many, as policies have it.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Statements, those in both branches of conditions too.
fn flat(statements: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    for statement in list(statements) {
        match statement.get("Fn::If") {
            Some(branches) => found.extend(list(branches).into_iter().skip(1)),
            None => found.push(statement),
        }
    }
    found.retain(|statement| statement.get("Effect").is_some());
    found
}

/// Every statement of a role's permissions or of a resource's policy, with the resource that it stands in.
fn statements(template: &Template) -> Vec<Resource<'_>> {
    let all = template.resources("").into_iter().flat_map(|(id, resource)| {
        let properties = &resource["Properties"];
        let inline = list(&properties["Policies"]).into_iter().map(|policy| &policy["PolicyDocument"]["Statement"]);
        let own = &properties["PolicyDocument"]["Statement"];
        inline.chain([own]).flat_map(flat).map(move |statement| (id, statement))
    });
    all.collect()
}

/// Every action that something is allowed, and on what: the logical id of a resource, with the attribute if it isn't its ARN,
/// or the text as the template has it.
pub(super) fn allowed(template: &Template) -> Vec<(&str, String, String)> {
    let text = |value: &Value| match (value["Fn::Sub"].as_str().or_else(|| value.as_str()), referred(value)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(id)) => match value["Fn::GetAtt"][1].as_str().filter(|attribute| *attribute != "Arn") {
            Some(attribute) => format!("{id}.{attribute}"),
            None => id.to_owned(),
        },
        (None, None) => value.to_string(),
    };
    let mut all = Vec::new();
    for (owner, statement) in statements(template) {
        if statement["Effect"] != "Allow" {
            continue;
        }
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                all.push((owner, text(action), text(resource)));
            }
        }
    }
    all
}
