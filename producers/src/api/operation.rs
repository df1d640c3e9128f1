//! One operation of the API: its route and what the document says of it, in one place, so that neither lacks the other.

use axum::{
    handler::Handler,
    http::{Method, StatusCode},
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use sendoff_events::{Event, EventType};
use serde_json::Value;

use super::{ApiState, problem::Kind};

/// A method on a path, its handler and its documentation.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) route: MethodRouter<ApiState>,
    pub(super) doc: Doc,
}

/// Makes the schema of a type in the document, and gives the reference to it.
pub(super) type Define = fn(&mut SchemaGenerator) -> Schema;

/// What the document says of an operation.
pub(super) struct Doc {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    /// The event that it publishes.
    pub(super) publishes: Option<EventType>,
    /// Needs no token.
    pub(super) public: bool,
    /// Takes `limit` and `after`.
    pub(super) paged: bool,
    /// Answers with an `ETag`.
    pub(super) tagged: bool,
    /// Takes `If-Match` and `If-None-Match`.
    pub(super) conditional: bool,
    /// Creates what the path names, so there is nothing that could be missing.
    pub(super) upserts: bool,
    /// There may only be so many of what it creates.
    pub(super) limited: bool,
    /// Workflows may stand against it, and `force` overrules them.
    pub(super) forced: bool,
    /// Reads records, which may not answer.
    pub(super) reads: bool,
    pub(super) body: Option<(Define, Value)>,
    pub(super) answers: Vec<DocAnswer>,
}

/// A good answer.
pub(super) struct DocAnswer {
    pub(super) status: StatusCode,
    pub(super) description: &'static str,
    pub(super) content: Option<(Define, Value)>,
}

impl Operation {
    pub(super) fn get<T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl Handler<T, ApiState>,
    ) -> Self {
        Self::new(Method::GET, on(MethodFilter::GET, handler), path, id, summary)
    }

    pub(super) fn put<T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl Handler<T, ApiState>,
    ) -> Self {
        Self::new(Method::PUT, on(MethodFilter::PUT, handler), path, id, summary)
    }

    pub(super) fn post<T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl Handler<T, ApiState>,
    ) -> Self {
        Self::new(Method::POST, on(MethodFilter::POST, handler), path, id, summary)
    }

    pub(super) fn delete<T: 'static>(
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl Handler<T, ApiState>,
    ) -> Self {
        Self::new(Method::DELETE, on(MethodFilter::DELETE, handler), path, id, summary)
    }

    fn new(
        method: Method,
        route: MethodRouter<ApiState>,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let doc = Doc {
            id,
            summary,
            description: None,
            publishes: None,
            public: false,
            paged: false,
            tagged: false,
            conditional: false,
            upserts: false,
            limited: false,
            forced: false,
            reads: true,
            body: None,
            answers: Vec::new(),
        };
        Self { method, path, route, doc }
    }

    pub(super) fn describe(mut self, description: &'static str) -> Self {
        self.doc.description = Some(description);
        self
    }

    /// It publishes an event when it changes something.
    pub(super) fn publishes<E: Event>(mut self) -> Self {
        self.doc.publishes = Some(EventType::of::<E>());
        self
    }

    /// It needs no token.
    pub(super) fn public(mut self) -> Self {
        self.doc.public = true;
        self
    }

    /// It reads nothing, so it is never unavailable.
    pub(super) fn constant(mut self) -> Self {
        self.doc.reads = false;
        self
    }

    /// It answers with an `ETag`.
    pub(super) fn tagged(mut self) -> Self {
        self.doc.tagged = true;
        self
    }

    /// It creates what the path names, or replaces it.
    pub(super) fn upserts(mut self) -> Self {
        self.doc.upserts = true;
        self
    }

    /// There may only be so many of what it creates.
    pub(super) fn limited(mut self) -> Self {
        self.doc.limited = true;
        self
    }

    /// Workflows may stand against it, and `force` overrules them.
    pub(super) fn forced(mut self) -> Self {
        self.doc.forced = true;
        self
    }

    /// It takes `limit` and `after`.
    pub(super) fn paged(mut self) -> Self {
        self.doc.paged = true;
        self
    }

    /// It takes `If-Match` and `If-None-Match`.
    pub(super) fn conditional(mut self) -> Self {
        self.doc.conditional = true;
        self
    }

    pub(super) fn takes<T: JsonSchema>(mut self, example: Value) -> Self {
        self.doc.body = Some((SchemaGenerator::subschema_for::<T>, example));
        self
    }

    pub(super) fn creates<T: JsonSchema>(self, description: &'static str, example: Value) -> Self {
        self.answer(StatusCode::CREATED, description, Some((SchemaGenerator::subschema_for::<T>, example)))
    }

    pub(super) fn answers<T: JsonSchema>(self, description: &'static str, example: Value) -> Self {
        self.answer(StatusCode::OK, description, Some((SchemaGenerator::subschema_for::<T>, example)))
    }

    /// It does what is asked later.
    pub(super) fn accepts<T: JsonSchema>(self, description: &'static str, example: Value) -> Self {
        self.answer(StatusCode::ACCEPTED, description, Some((SchemaGenerator::subschema_for::<T>, example)))
    }

    pub(super) fn empties(self, description: &'static str) -> Self {
        self.answer(StatusCode::NO_CONTENT, description, None)
    }

    fn answer(mut self, status: StatusCode, description: &'static str, content: Option<(Define, Value)>) -> Self {
        self.doc.answers.push(DocAnswer { status, description, content });
        self
    }

    pub(super) fn mutates(&self) -> bool {
        !self.method.is_safe()
    }

    /// The names in the path, in order.
    pub(super) fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Every way it may refuse.
    pub(super) fn refusals(&self) -> Vec<Kind> {
        let Doc { public, paged, conditional, upserts, limited, forced, reads, .. } = &self.doc;
        let in_path = self.path_names().next().is_some();
        let mutates = self.mutates();
        let may = [
            (Kind::InvalidRequest, in_path || *paged || mutates),
            (Kind::BadJson, mutates),
            (Kind::JsonTooDeep, mutates),
            (Kind::Unauthorized, !public),
            (Kind::InsufficientScope, !public),
            (Kind::LoadTestsOff, mutates && !public),
            (Kind::NotFound, in_path && !upserts),
            (Kind::Conflict, mutates),
            (Kind::LimitReached, *limited),
            (Kind::BreaksWorkflows, *forced),
            (Kind::VersionMismatch, *conditional),
            (Kind::BodyTooLarge, mutates),
            (Kind::UnsupportedMediaType, mutates),
            (Kind::InvalidFields, mutates),
            (Kind::IdempotencyKeyReused, mutates),
            (Kind::Internal, true),
            (Kind::Unavailable, *reads),
        ];
        may.into_iter().filter_map(|(kind, may)| may.then_some(kind)).collect()
    }
}
