//! The OpenAPI 3.1 document: <https://spec.openapis.org/oas/v3.1.1.html>. Made from the operations and the types.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::http::{StatusCode, header};
use bytes::Bytes;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use sendoff_events::{AppId, SubmissionId, UserId, WebhookId, WorkflowId};
use serde_json::{Map, Value, json};

use super::{
    listing::{DEFAULT_LIMIT, MAX_LIMIT},
    operation::{DocAnswer, Operation},
    operations,
    problem::{Kind, ProblemDetails},
};
use crate::model::Channel;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi().to_string().into());

pub(super) fn operations_of_the_document() -> Vec<Operation> {
    let serve = async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone());
    vec![
        Operation::get("/openapi.json", "getOpenapi", "This document", serve)
            .public()
            .constant()
            .answers::<Map<String, Value>>("An OpenAPI 3.1 document", json!({ "openapi": "3.1.0" })),
    ]
}

/// The OpenAPI 3.1 document of the API, made from its operations and types; also served at `/openapi.json`.
#[must_use]
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut refusals: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for operation in operations() {
        for kind in operation.refusals() {
            let kinds = refusals.entry(kind.facts().0.as_u16()).or_default();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let described = describe(&operation, &mut generator);
        paths.entry(operation.path).or_default().insert(operation.method.as_str().to_lowercase(), described);
    }
    let problem = generator.subschema_for::<ProblemDetails>();
    let responses: Map<String, Value> = refusals
        .iter()
        .map(|(status, kinds)| (problem_name(*status), refusal(*status, kinds, &json!(problem))))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sendoff",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Writes state and sends events off, in one step.",
            "description": include_str!("openapi.md"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A JWT with `exp`, `iss`, `aud`, `sub` (the user), `tenant`, and optionally `scope`: \
                                    `read` for GET, `write` for the rest, both without it.",
                },
            },
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let doc = &operation.doc;
    let reference = |name: &str| json!({ "$ref": format!("#/components/parameters/{name}") });
    let mut parameters: Vec<Value> = operation.path_names().map(|name| path_parameter(name, generator)).collect();
    if doc.paged {
        parameters.extend(["limit", "after"].map(reference));
    }
    if doc.forced {
        parameters.push(reference("force"));
    }
    if operation.mutates() {
        parameters.extend(["idempotencyKey", "correlationId", "traceparent"].map(reference));
    }
    if doc.conditional {
        parameters.extend(["ifMatch", "ifNoneMatch"].map(reference));
    }
    let mut responses = Map::new();
    for answer in &doc.answers {
        responses.insert(answer.status.as_str().to_owned(), good_answer(operation, answer, generator));
    }
    for kind in operation.refusals() {
        let status = kind.facts().0.as_u16();
        let reference = json!({ "$ref": format!("#/components/responses/{}", problem_name(status)) });
        responses.insert(status.to_string(), reference);
    }
    let mut described = json!({
        "operationId": doc.id,
        "summary": doc.summary,
        "parameters": parameters,
        "responses": responses,
        "security": if doc.public { json!([]) } else { json!([{ "token": [] }]) },
    });
    let published = doc.publishes.as_ref().map(|event| format!("Publishes `{event}`."));
    let sentences: Vec<&str> = published.as_deref().into_iter().chain(doc.description).collect();
    if !sentences.is_empty() {
        described["description"] = json!(sentences.join(" "));
    }
    if let Some((define, example)) = &doc.body {
        let content = json!({ "application/json": { "schema": define(generator), "example": example } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

fn path_parameter(name: &str, generator: &mut SchemaGenerator) -> Value {
    let (schema, example) = match name {
        "app_id" => (define::<AppId>(generator), json!("expenses")),
        "submission_id" => (define::<SubmissionId>(generator), json!("01938d1e-7b2c-7000-8000-000000000000")),
        "webhook_id" => (define::<WebhookId>(generator), json!("crm")),
        "workflow" => (define::<WorkflowId>(generator), json!("expense-approval")),
        "channel" => (define::<Channel>(generator), json!("email")),
        "event" => (json!({ "type": "string" }), json!("app.assigned")),
        "version" => (json!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }), json!(3)),
        _ => (define::<UserId>(generator), json!("ada")),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema, "example": example })
}

fn define<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn good_answer(operation: &Operation, answer: &DocAnswer, generator: &mut SchemaGenerator) -> Value {
    let mut names = Vec::new();
    if operation.mutates() {
        names.push("Idempotency-Replayed");
    }
    if operation.doc.publishes.is_some() {
        names.push("Sendoff-Event-Id");
    }
    if answer.status == StatusCode::CREATED {
        names.push("Location");
    }
    if operation.doc.tagged {
        names.push("ETag");
    }
    let headers: Map<String, Value> = names
        .into_iter()
        .map(|name| (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect();
    let mut described = json!({ "description": answer.description, "headers": headers });
    if let Some((define, example)) = &answer.content {
        described["content"] = json!({ "application/json": { "schema": define(generator), "example": example } });
    }
    described
}

fn problem_name(status: u16) -> String {
    format!("Problem{status}")
}

fn refusal(status: u16, kinds: &[Kind], schema: &Value) -> Value {
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.facts().2).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            let (status, slug, title) = kind.facts();
            let value = json!({
                "type": format!("urn:sendoff:problem:{slug}"),
                "title": title,
                "status": status.as_u16(),
                "detail": "What is wrong this time, and what to do.",
            });
            (slug.to_owned(), json!({ "value": value }))
        })
        .collect();
    let content = json!({ "application/problem+json": { "schema": schema, "examples": examples } });
    let mut described = json!({ "description": format!("{}.", titles.join(", or: ")), "content": content });
    match status {
        401 | 403 => {
            described["headers"] = json!({ "WWW-Authenticate": { "$ref": "#/components/headers/WWW-Authenticate" } })
        }
        503 => described["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } }),
        _ => {}
    }
    described
}

fn parameters() -> Value {
    json!({
        "limit": {
            "name": "limit", "in": "query",
            "description": "The most items to give. Large ones make a page end early: only one without `next` is the last.",
            "schema": { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT },
        },
        "after": {
            "name": "after", "in": "query", "description": "What `next` of the page before said, unchanged.",
            "schema": { "type": "string" },
        },
        "force": {
            "name": "force", "in": "query",
            "description": "`true`: do it although workflows that are switched on would no longer fit.",
            "schema": { "type": "boolean", "default": false },
        },
        "idempotencyKey": {
            "name": "Idempotency-Key", "in": "header",
            "description": "Makes a repeated request safe: for three days the first answer is given again to the same \
                            method, path, caller, `If-Match`, `If-None-Match` and body. 1 to 255 visible ASCII characters, \
                            unique within the tenant, as a structured-field string or bare.",
            "schema": { "type": "string", "minLength": 1 }, "example": "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
        },
        "ifMatch": {
            "name": "If-Match", "in": "header",
            "description": "Change it only if its `ETag` is still this one, or one of these.",
            "schema": { "type": "string" }, "example": "\"3\"",
        },
        "ifNoneMatch": {
            "name": "If-None-Match", "in": "header",
            "description": "Change it only if its `ETag` is none of these. `*`: only if it doesn't exist, so that nothing is overwritten.",
            "schema": { "type": "string" }, "example": "*",
        },
        "correlationId": {
            "name": "X-Correlation-Id", "in": "header",
            "description": "Carried by the events that follow; without it (or `X-Request-Id`) the event's own id is.",
            "schema": { "type": "string", "maxLength": 128 },
        },
        "traceparent": {
            "name": "traceparent", "in": "header", "description": "W3C Trace Context; events carry it on.",
            "schema": { "type": "string" }, "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    })
}

fn headers() -> Value {
    let header = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "ETag": header("The version, for `If-Match`."),
        "Location": header("The path of what was created. Absent when nothing was."),
        "Sendoff-Event-Id": header("The ids of the events that were sent off, comma separated. Absent when there is none."),
        "Idempotency-Replayed": header("`true` when this answer was given before to a request with the same key."),
        "WWW-Authenticate": header("What is missing (RFC 6750)."),
        "Retry-After": header("How many seconds to wait."),
    })
}
