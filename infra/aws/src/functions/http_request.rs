//! An HTTP request as API Gateway hands it over, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! Whatever somebody sends becomes a request, or an answer that says what is wrong with it: never an error of the function.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header, uri::PathAndQuery},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

/// The request in an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpRequest {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    /// The values of a header that came twice are joined by a comma.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: RequestContext,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// What can't stand in a path as it is (RFC 3986, section 3.3). A `%` can: whether it begins an escape can't be told any more.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// The same of a query (section 3.4).
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

impl HttpRequest {
    /// The request, or the status that it is answered with.
    pub(super) fn into_http(self) -> Result<Request<Body>, StatusCode> {
        let bad = StatusCode::BAD_REQUEST;
        let mut target = utf8_percent_encode(&self.raw_path, PATH).to_string();
        if !target.starts_with('/') {
            target.insert(0, '/');
        }
        if !self.raw_query_string.is_empty() {
            target.push('?');
            target.extend(utf8_percent_encode(&self.raw_query_string, QUERY));
        }
        // What is left to be refused is its length.
        let target = PathAndQuery::try_from(target).map_err(|_| StatusCode::URI_TOO_LONG)?;
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 1);
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).map_err(|_| bad)?;
            headers.insert(name, HeaderValue::try_from(value.into_bytes()).map_err(|_| bad)?);
        }
        if !self.cookies.is_empty() {
            let cookies = self.cookies.join("; ").into_bytes();
            headers.insert(header::COOKIE, HeaderValue::try_from(cookies).map_err(|_| bad)?);
        }
        let body = match self.body {
            Some(body) if self.is_base64_encoded => Body::from(base64::decode(body).map_err(|_| bad)?),
            Some(body) => Body::from(body),
            None => Body::empty(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(self.request_context.http.method.as_bytes()).map_err(|_| bad)?;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    fn of(change: Value) -> Result<Request<Body>, StatusCode> {
        let mut event = json!({ "rawPath": "/v1/users", "requestContext": { "http": { "method": "POST" } } });
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value::<HttpRequest>(event).unwrap().into_http()
    }

    #[tokio::test]
    async fn a_request_arrives_as_it_was_sent() {
        let request = of(json!({
            "rawQueryString": "limit=5&after=a%2Fb+c",
            "headers": { "host": "api.example.org", "x-name": "Zoë" },
            "cookies": ["a=1", "b=2"],
            "body": "//4A",
            "isBase64Encoded": true,
        }))
        .unwrap();
        assert_eq!(
            (request.method(), request.uri().to_string()),
            (&Method::POST, "/v1/users?limit=5&after=a%2Fb+c".into())
        );
        assert_eq!(
            (&request.headers()["host"], &request.headers()["cookie"]),
            (&"api.example.org".parse().unwrap(), &"a=1; b=2".parse().unwrap())
        );
        assert_eq!(request.headers()["x-name"].as_bytes(), "Zoë".as_bytes());
        assert_eq!(&to_bytes(request.into_body(), 9).await.unwrap()[..], [0xff, 0xfe, 0]);
        let plain = of(json!({ "body": "Zoë" })).unwrap();
        assert_eq!(&to_bytes(plain.into_body(), 9).await.unwrap()[..], "Zoë".as_bytes());
        assert!(to_bytes(of(json!({})).unwrap().into_body(), 9).await.unwrap().is_empty());
    }

    #[test]
    fn whatever_a_path_and_a_query_hold_they_are_a_target() {
        for (path, query, expected) in [
            ("/a b/<ü>#?", "", "/a%20b/%3C%C3%BC%3E%23%3F"),
            ("/%2F/{x}`|^\\[]", "", "/%2F/%7Bx%7D%60|^\\[]"),
            ("", "a=<b>", "/?a=%3Cb%3E"),
            ("a", "q=\"#\" \u{7f}\n", "/a?q=%22%23%22%20%7F%0A"),
            ("//evil.example/x", "?&==%", "//evil.example/x??&==%"),
        ] {
            let request = of(json!({ "rawPath": path, "rawQueryString": query })).unwrap();
            assert_eq!((request.uri().to_string().as_str(), request.uri().host()), (expected, None), "{path}");
        }
        let every: String = (0..=0x2ff_u32).filter_map(char::from_u32).collect();
        assert!(of(json!({ "rawPath": every, "rawQueryString": every })).is_ok());
    }

    #[test]
    fn what_is_no_request_is_answered() {
        for (wrong, status) in [
            (json!({ "rawPath": "/".repeat(70_000) }), 414),
            (json!({ "headers": { "a b": "c" } }), 400),
            (json!({ "headers": { "a": "b\nc" } }), 400),
            (json!({ "cookies": ["a\u{0}"] }), 400),
            (json!({ "body": "%", "isBase64Encoded": true }), 400),
            (json!({ "requestContext": { "http": { "method": "GET /" } } }), 400),
        ] {
            assert_eq!(of(wrong.clone()).unwrap_err().as_u16(), status, "{}", wrong.to_string().len());
        }
    }
}
