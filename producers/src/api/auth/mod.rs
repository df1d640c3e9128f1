//! Who calls: bearer tokens (JWT, RFC 7519 and RFC 8725), one tenant and one user each.
//!
//! The tenant comes from the token and from nowhere else, so no path or body can reach into another one.

mod claims;
mod development;
mod identity;
mod keys;
mod mint;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use sendoff_events::{TenantId, UserId};

pub use claims::Refusal;
pub use development::{DevelopmentKey, NotLoopback};
pub use identity::Identity;
pub use keys::{Key, KeyError, KeySet, SharedSecret};
pub use mint::{MintError, SigningKey, mint};

use super::{
    ApiState,
    problem::{Kind, Problem},
};
use claims::Scope;

/// Who calls, as the token says.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) tenant: TenantId,
    pub(super) subject: UserId,
}

/// Lets a request pass with a valid token whose scope covers the method, and tells the handler whose it is.
pub(super) async fn authorise(
    State(api): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer(request.headers())?;
    let verified = api.keys().verify(token, api.clock().now()).and_then(|verified| {
        let is_elsewhere = verified.is_development && !development::is_for_this_machine(request.headers());
        if is_elsewhere { Err(Refusal::DevelopmentElsewhere) } else { Ok(verified) }
    });
    let verified = verified.map_err(|refusal| {
        tracing::info!(reason = %refusal, "a token was refused");
        let challenge = format!(r#"Bearer realm="sendoff", error="invalid_token", error_description="{refusal}""#);
        unauthorized(&refusal.to_string(), &challenge)
    })?;
    let needed = if request.method().is_safe() { Scope::Read } else { Scope::Write };
    if !verified.allows(needed) {
        let challenge = format!(r#"Bearer realm="sendoff", error="insufficient_scope", scope="{needed}""#);
        let problem = Problem::new(Kind::InsufficientScope, format!("the token lacks the scope `{needed}`"));
        return Err(challenged(problem, &challenge));
    }
    request.extensions_mut().insert(verified.caller);
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let token = values.next().filter(|_| values.next().is_none()).and_then(|value| bearer_token(value.to_str().ok()?));
    token.ok_or_else(|| unauthorized("send one header `Authorization: Bearer <token>`", r#"Bearer realm="sendoff""#))
}

/// The token in the value of an `Authorization` header (RFC 6750, section 2.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn unauthorized(detail: &str, challenge: &str) -> Problem {
    challenged(Problem::new(Kind::Unauthorized, detail), challenge)
}

fn challenged(problem: Problem, challenge: &str) -> Problem {
    // Challenges are made of constants and refusals, all of them ASCII.
    let value = HeaderValue::from_str(challenge).unwrap_or(HeaderValue::from_static("Bearer"));
    problem.with_header(header::WWW_AUTHENTICATE, value)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal(&"a route that needs a caller has no authorisation layer"))
    }
}
