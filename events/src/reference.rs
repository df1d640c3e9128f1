//! The reference of all events as one page of Markdown: `docs/EVENTS.md`.

use std::fmt::Write as _;

use schemars::Schema;
use serde_json::{Map, Value};

use crate::{
    MAX_BODY_BYTES,
    catalogue::{self, Entry},
    envelope_schema::attributes,
};

/// Every event with its fields, samples and history, and the envelope it travels in, as Markdown made from the types.
#[must_use]
pub fn reference() -> String {
    let entries = catalogue::all();
    let mut page = String::from(include_str!("reference/opening.md"));
    page.push_str("\n| event | what happened | versions read |\n|---|---|---|\n");
    for entry in &entries {
        let (name, version) = (entry.event_type.to_string(), entry.event_type.version());
        let read = if version == 1 { "1".to_owned() } else { format!("1 to {version}") };
        let schema = (entry.schema)();
        let summary = text(&schema, "description").lines().next().unwrap_or_default();
        line(&mut page, format_args!("| [`{name}`](#{}) | {summary} | {read} |", name.replace('.', "")));
    }
    let mut types = Map::new();
    for entry in &entries {
        event(&mut page, entry, &mut types);
    }
    page.push_str("\n## Types\n\n| type | what | rule |\n|---|---|---|\n");
    for (name, schema) in &types {
        let what = schema["description"].as_str().unwrap_or_default();
        line(&mut page, format_args!("| {name} | {what} | {} |", cell(&kind(schema))));
    }
    page.push_str("\n## The envelope\n\n");
    page.push_str(include_str!("reference/envelope.md"));
    page.push_str("\n| attribute | type | required | what |\n|---|---|---|---|\n");
    for (name, schema, required) in attributes() {
        row(&mut page, name, &schema, required);
    }
    page.push('\n');
    page.push_str(&include_str!("reference/rules.md").replace("{MAX_BODY_BYTES}", &MAX_BODY_BYTES.to_string()));
    page
}

fn event(page: &mut String, entry: &Entry, types: &mut Map<String, Value>) {
    let schema = (entry.schema)();
    let event_type = &entry.event_type;
    line(page, format_args!("\n## {event_type}\n\n{}\n", text(&schema, "description")));
    page.push_str("| field | type | required | what |\n|---|---|---|---|\n");
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let listed = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let required: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
    // `required` keeps the order of the struct, `properties` doesn't.
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    for name in required.iter().copied().chain(optional) {
        row(page, name, &properties[name], required.contains(&name));
    }
    if let Some(definitions) = schema.get("$defs").and_then(Value::as_object) {
        types.extend(definitions.clone());
    }
    page.push_str("\n| version | written since release | what changed |\n|---|---|---|\n");
    for version in entry.versions {
        line(page, format_args!("| {} | {} | {} |", version.number, version.release, cell(version.change)));
    }
    let schema_file = format!("../events/schemas/{event_type}.json");
    line(page, format_args!("\nSchema: [`{event_type}.json`]({schema_file}). A sample:\n"));
    let present = entry.versions.iter().find(|version| version.number == event_type.version());
    if let Some(sample) = present.and_then(|version| version.samples.first()) {
        line(page, format_args!("```json\n{}\n```", sample.trim_end()));
    }
}

fn row(page: &mut String, name: &str, schema: &Value, required: bool) {
    let what = schema["description"].as_str().unwrap_or_default();
    let required = if required { "yes" } else { "no" };
    line(page, format_args!("| `{name}` | {} | {required} | {} |", cell(&kind(schema)), cell(what)));
}

/// A schema's type and bounds in a few words.
fn kind(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return format!("[{}](#types)", target.rsplit('/').next().unwrap_or(target));
    }
    if let Some(constant) = schema.get("const") {
        return format!("always `{}`", constant.as_str().map_or_else(|| constant.to_string(), str::to_owned));
    }
    let name = schema["type"].as_str().unwrap_or("any JSON");
    let mut kind = match schema["format"].as_str() {
        Some(format @ ("uuid" | "date-time")) => format.to_owned(),
        _ => name.to_owned(),
    };
    if schema["items"].is_object() {
        let _ = write!(kind, " of {}", self::kind(&schema["items"]));
    }
    if let Some(minimum) = schema.get("minimum") {
        let _ = write!(kind, ", at least {minimum}");
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let _ = write!(kind, ", `{pattern}`");
    }
    kind
}

fn text<'a>(schema: &'a Schema, member: &str) -> &'a str {
    schema.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Text that stays inside its table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = writeln!(page, "{text}");
}
