//! The function `authorizer`: whether a request may reach the API at all, asked by API Gateway before it.
//!
//! It checks the token as the API itself does, and answers whom it speaks for. API Gateway remembers the answer for the same
//! `Authorization` header and route, so nothing in it may depend on anything else of the request. What a token allows is
//! checked by the API, for each request, and so is the token itself.

use std::collections::BTreeMap;

use sendoff_events::{Clock, TenantId, UserId};
use sendoff_host::SystemClock;
use sendoff_producers::api::{Identity, KeySet, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    lambda::{Function, FunctionError, Invocation, answer, run},
    renewed::Renewed,
    settings::Need,
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

struct Authorizer {
    parts: Parts,
    keys: Renewed<KeySet>,
}

async fn make() -> Result<Authorizer, FunctionError> {
    let parts = Parts::of(&[Need::AuthKeys])?;
    Ok(Authorizer { keys: parts.auth_keys()?, parts })
}

/// What API Gateway asks: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>.
#[derive(Deserialize)]
struct Request {
    /// The names are in lower case, and a header that came twice has both values.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// There is one in every request that isn't something else altogether.
    #[serde(rename = "routeArn")]
    _route: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Judgement {
    is_authorized: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Caller>,
}

#[derive(Serialize)]
struct Caller {
    tenant: TenantId,
    subject: UserId,
    /// Empty when the token allows everything.
    scopes: String,
}

impl Function for Authorizer {
    async fn handle(&self, event: &RawValue, _: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let request: Request = serde_json::from_str(event.get()).map_err(|_| FunctionError::Event {
            expected: "a request of an HTTP API's authorizer, payload format 2.0, or a ping of the warmer",
            found: crate::lambda::found(event),
        })?;
        let header = request.headers.get("authorization").map_or("", String::as_str);
        let keys = self.keys.get().await.map_err(FunctionError::Backend)?;
        let mut identity = keys.identify(header, SystemClock.now());
        if identity == Err(Refusal::UnknownKey)
            && let Some(newer) = self.keys.instead_of(&keys).await
        {
            identity = newer.identify(header, SystemClock.now());
        }
        answer(&match identity {
            Ok(Identity { tenant, subject, scopes }) => {
                let caller = Caller { tenant, subject, scopes: scopes.unwrap_or_default() };
                Judgement { is_authorized: true, context: Some(caller) }
            }
            // The API refuses it, by a 401 that says so: at the 403 of API Gateway no client gets itself a new token.
            Err(Refusal::Expired) => Judgement { is_authorized: true, context: None },
            Err(refusal) => {
                tracing::info!(reason = %refusal, "a token was refused");
                Judgement { is_authorized: false, context: None }
            }
        })
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
