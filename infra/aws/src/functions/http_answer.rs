//! What a router answers to an event of API Gateway: a response as it takes it, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).

use std::collections::BTreeMap;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Response, header},
    response::IntoResponse as _,
};
use serde::Serialize;
use serde_json::value::RawValue;
use tower::ServiceExt as _;

use super::http_request::HttpRequest;
use crate::lambda::{FunctionError, answer, found};

/// What Lambda lets a function answer with, in bytes.
const MAX_ANSWER: usize = 6 * 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpAnswer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// What the router answers to the request in the event.
pub(super) async fn ask(router: &Router, event: &RawValue) -> Result<Response<Body>, FunctionError> {
    let request: HttpRequest = serde_json::from_str(event.get()).map_err(|_| FunctionError::Event {
        expected: "a request of an HTTP API, payload format 2.0, or a ping of the warmer",
        found: found(event),
    })?;
    let request = match request.into_http() {
        Ok(request) => request,
        Err(status) => return Ok(status.into_response()),
    };
    match router.clone().oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// The answer for a response: its body as text where it is UTF-8, else in base64.
pub(super) async fn http_answer(response: Response<Body>) -> Result<Box<RawValue>, FunctionError> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_ANSWER).await.map_err(FunctionError::backend)?;
    let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(error) => (aws_smithy_types::base64::encode(error.as_bytes()), true),
    };
    let (headers, cookies) = split(&parts.headers);
    answer(&HttpAnswer { status_code: parts.status.as_u16(), headers, cookies, body, is_base64_encoded })
}

/// Headers, those of the same name joined by commas (RFC 9110, section 5.3), and cookies, which can't be joined.
fn split(given: &HeaderMap) -> (BTreeMap<String, String>, Vec<String>) {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in given {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == header::SET_COOKIE {
            cookies.push(value.into_owned());
        } else if let Some(joined) = headers.get_mut(name.as_str()) {
            joined.push_str(", ");
            joined.push_str(&value);
        } else {
            headers.insert(name.to_string(), value.into_owned());
        }
    }
    (headers, cookies)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn of(response: Response<Body>) -> Value {
        serde_json::from_str(http_answer(response).await.unwrap().get()).unwrap()
    }

    #[tokio::test]
    async fn a_response_keeps_its_status_its_headers_and_its_text() {
        let response = Response::builder()
            .status(401)
            .header("content-type", "application/problem+json")
            .header("www-authenticate", "Bearer")
            .header("www-authenticate", "Basic")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(Body::from("{\"detail\":\"ü\"}"));
        let expected = json!({
            "statusCode": 401,
            "headers": { "content-type": "application/problem+json", "www-authenticate": "Bearer, Basic" },
            "cookies": ["a=1", "b=2"],
            "body": "{\"detail\":\"ü\"}",
            "isBase64Encoded": false,
        });
        assert_eq!(of(response.unwrap()).await, expected);
    }

    #[tokio::test]
    async fn what_is_no_text_travels_in_base64() {
        let answer = of(Response::new(Body::from(vec![0xff, 0xfe, 0x00]))).await;
        assert_eq!((answer["body"].as_str(), answer["isBase64Encoded"].as_bool()), (Some("//4A"), Some(true)));
    }
}
