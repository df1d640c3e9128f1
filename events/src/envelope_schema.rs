//! The envelope as a JSON Schema: what `docs/EVENTS.md` and the AsyncAPI document say of it.

use serde_json::{Value, json};

use crate::MAX_HOPS;

/// Every attribute in the order in which the encoder writes it, with its schema. The last column says if it is required.
pub(crate) fn attributes() -> Vec<(&'static str, Value, bool)> {
    let uuid = |what: &str| json!({ "type": "string", "format": "uuid", "description": what });
    let moment = |what: &str| json!({ "type": "string", "format": "date-time", "description": what });
    let text = |what: &str| json!({ "type": "string", "minLength": 1, "description": what });
    vec![
        ("specversion", json!({ "const": "1.0", "description": "The version of CloudEvents." }), true),
        ("id", uuid("The event's identity, a UUID version 7. Never changes, also not on replay."), true),
        ("source", text("What published it, a URI reference: `/sendoff/api`."), true),
        ("type", text("Its type and version: `app.assigned.v1`."), true),
        ("subject", text("What it is about, as a path."), true),
        ("time", moment("When it happened, in UTC, to the millisecond."), true),
        ("datacontenttype", json!({ "const": "application/json", "description": "The format of `data`." }), false),
        ("dataschema", text("The schema's address: `urn:sendoff:schema:` and the type. Readers go by `type`."), false),
        ("tenantid", text("Extension: whose event it is, 1 to 64 characters."), true),
        (
            "correlationid",
            text("Extension: the event or request at the root of the chain; the same for all that follows from it."),
            true,
        ),
        ("causationid", uuid("Extension: the event that directly caused this one."), false),
        ("traceparent", text("Extension: W3C Trace Context, `00-<trace>-<span>-<flags>`."), false),
        ("firstpublished", moment("Extension: when it was first published. Never changes, also not on replay."), true),
        (
            "sequence",
            json!({
                "type": "string",
                "pattern": "^[0-9]{1,20}$",
                "description": "Extension: its number within its subject, from 1, zero-padded to sort as text.",
            }),
            false,
        ),
        (
            "hops",
            json!({
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_HOPS,
                "description": "Extension: through how many runs of workflows the chain went to get here; absent is 0.",
            }),
            false,
        ),
        ("data", json!({ "type": "object", "description": "The event itself, by its type's schema." }), true),
    ]
}

/// The schema of an envelope around any event.
pub(crate) fn envelope_schema() -> Value {
    let attributes = attributes();
    let required: Vec<_> = attributes.iter().filter(|(.., required)| *required).map(|(name, ..)| *name).collect();
    let properties: serde_json::Map<_, _> =
        attributes.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    json!({
        "title": "Envelope",
        "description": "A CloudEvents 1.0 envelope, JSON, structured mode. Unknown attributes are ignored.",
        "type": "object",
        "required": required,
        "properties": properties,
    })
}
