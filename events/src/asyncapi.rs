//! The AsyncAPI 3 document: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    catalogue::{self, Entry},
    envelope::data_schema,
    envelope_schema::envelope_schema,
};

/// An AsyncAPI 3.0.0 document of the topic and of every event on it, made from the types.
///
/// Payloads are the envelopes in full, so a tool can check or generate from a message body as it is.
#[must_use]
pub fn asyncapi() -> Value {
    // AsyncAPI's own schema dialect is a superset of draft 7.
    let settings = SchemaSettings::draft07().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let entries = catalogue::all();
    let messages: Map<String, Value> = entries
        .iter()
        .map(|entry| (entry.event_type.to_string(), message(entry, &(entry.define)(&mut generator))))
        .collect();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Envelope".into(), envelope_schema());

    let on_channel: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    let of_channel: Vec<Value> =
        messages.keys().map(|name| json!({ "$ref": format!("#/channels/events/messages/{name}") })).collect();
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:sendoff:events",
        "info": {
            "title": "Sendoff events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The events of Sendoff. They arrive at least once and in any order; `id` tells duplicates, \
                            `sequence` the order within a subject.",
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "events": {
                "address": "events",
                "title": "Events",
                "description": "The topic that every event is published to. Subscriptions filter by the message \
                                attributes `type` and `tenant`.",
                "messages": on_channel,
            },
        },
        "operations": {
            "publish": {
                "action": "send",
                "title": "Publish",
                "summary": "An event is published if, and only if, the state it speaks of was committed.",
                "channel": { "$ref": "#/channels/events" },
                "messages": of_channel,
            },
            "consume": {
                "action": "receive",
                "title": "Consume",
                "summary": "Every subscribed consumer handles the event, at least once.",
                "channel": { "$ref": "#/channels/events" },
                "messages": of_channel,
            },
        },
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn message(entry: &Entry, data: &Schema) -> Value {
    let event_type = entry.event_type.to_string();
    let schema = (entry.schema)();
    json!({
        "name": event_type,
        "title": schema.get("title"),
        "description": schema.get("description"),
        "contentType": "application/cloudevents+json",
        "correlationId": { "location": "$message.payload#/correlationid" },
        "headers": {
            "type": "object",
            "required": ["type", "tenant"],
            "properties": {
                "type": { "const": event_type, "description": "The event's type." },
                "tenant": { "type": "string", "description": "Whose event it is." },
            },
        },
        "payload": {
            "allOf": [
                { "$ref": "#/components/schemas/Envelope" },
                {
                    "type": "object",
                    "properties": {
                        "type": { "const": event_type },
                        "dataschema": { "const": data_schema(&entry.event_type) },
                        "data": data,
                    },
                },
            ],
        },
        "examples": examples(entry),
    })
}

fn examples(entry: &Entry) -> Vec<Value> {
    let present = entry.versions.iter().filter(|version| version.number == entry.event_type.version());
    present
        .flat_map(|version| version.samples)
        .filter_map(|sample| serde_json::from_str::<Value>(sample).ok())
        .map(|sample| json!({ "headers": { "type": sample["type"], "tenant": sample["tenantid"] }, "payload": sample }))
        .collect()
}
