//! The HTTP API: it writes state, sends events off and answers. It waits for no consumer.
//!
//! [`router`] gives an axum router that runs behind any host: a server, a Lambda function, a test. What it needs from
//! outside comes with [`ApiState`]. The document that describes it, [`openapi()`], is made from the same table as the routes.
//!
//! One request, one [`UnitOfWork`](crate::UnitOfWork): the state, the event and the caller's `Idempotency-Key` are
//! committed together or not at all.

mod apps;
mod assignments;
mod auth;
mod branding;
mod contact;
mod document;
mod fields;
mod fitting;
mod form;
mod guard;
mod health;
mod idempotency;
mod json;
mod limits;
mod listing;
mod mutation;
mod openapi;
mod operation;
mod origin;
mod path;
mod precondition;
mod problem;
mod query;
mod state;
mod submissions;
mod timeline;
mod users;
pub mod webhook_address;
mod webhooks;
mod workflows;

pub use auth::{
    DevelopmentKey, Identity, Key, KeyError, KeySet, MintError, NotLoopback, Refusal, SharedSecret, SigningKey, mint,
};
pub use limits::Limits;
pub use openapi::openapi;
pub use state::{ApiState, MailFlaws};
pub use timeline::TIMELINE;

use axum::{Router, middleware};

use operation::Operation;

/// The whole API, ready to be served.
pub fn router(state: ApiState) -> Router {
    let (mut open, mut secured) = (Router::new(), Router::new());
    for Operation { path, route, doc, .. } in operations() {
        match doc.public {
            true => open = open.route(path, route),
            false => secured = secured.route(path, route),
        }
    }
    secured
        .route_layer(middleware::from_fn_with_state(state.clone(), auth::authorise))
        .merge(open)
        .fallback(guard::no_such_route)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Every operation: the router and the document are both made from this list.
fn operations() -> Vec<Operation> {
    [
        users::operations(),
        apps::operations(),
        assignments::operations(),
        submissions::operations(),
        timeline::operations(),
        webhooks::operations(),
        workflows::operations(),
        branding::operations(),
        health::operations(),
        openapi::operations_of_the_document(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
