//! Whatever bytes come in, the API answers, and never with a failure of its own.

use axum::http::Method;
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use crate::world::World;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let name = prop_oneof![
        "name|email|phone|locale|time_zone|channels|owners|submission_mail|workflow|fields|steps|version|events|quiet_hours|push_tokens|opted_out|from|to|url|secrets|color|logo_url"
            .prop_map(|s| s),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name.clone(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect::<Value>()),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "v1|users|apps|expenses|ada|assignments|submissions|timeline|webhooks|branding|health".prop_map(|s| s),
        vec(any::<u8>(), 0..8).prop_map(|bytes| bytes.iter().map(|b| format!("%{b:02X}")).collect()),
    ];
    prop_oneof![
        vec(segment, 1..7).prop_map(|segments| format!("/{}", segments.join("/"))),
        "/v1/(users/ada|apps/expenses|apps/expenses/submissions|apps/expenses/assignments/ada|apps/expenses/submissions/x|apps/expenses/webhooks/crm|branding)",
    ]
}

fn assert_no_failure(method: &Method, path: &str, body: Vec<u8>, key: &[u8]) {
    let world = World::furnished();
    let mut call = world.call(method.as_str(), path).body(body);
    if let Ok(key) = std::str::from_utf8(key)
        && axum::http::HeaderValue::from_str(key).is_ok()
    {
        call = call.header("idempotency-key", key);
    }
    let reply = call.send();
    assert!(reply.status.as_u16() < 500, "{method} {path}: {} {}", reply.status, reply.text);
    if reply.status.as_u16() >= 400 && *method != Method::HEAD {
        reply.problem(reply.status);
    }
}

fn method() -> impl Strategy<Value = Method> {
    proptest::sample::select(vec![Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD, Method::PATCH])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_make_it_fail(
        method in method(), path in path(), body in vec(any::<u8>(), 0..200), key in vec(any::<u8>(), 0..20),
    ) {
        assert_no_failure(&method, &path, body, &key);
    }

    #[test]
    fn arbitrary_json_never_makes_it_fail(method in method(), path in path(), body in json()) {
        assert_no_failure(&method, &path, body.to_string().into_bytes(), b"k");
    }

    #[test]
    fn arbitrary_tokens_never_let_anybody_in(token in "[!-~]{0,200}") {
        let reply = World::new().get("/v1/users").header("authorization", &format!("Bearer {token}")).send();
        prop_assert_eq!(reply.status.as_u16(), 401);
    }

    #[test]
    fn arbitrary_queries_never_make_it_fail(query in vec(any::<u8>(), 0..30)) {
        let query: String = query.iter().map(|b| format!("%{b:02X}")).collect();
        for template in ["limit=", "after=", ""] {
            assert_no_failure(&Method::GET, &format!("/v1/users?{template}{query}"), Vec::new(), b"");
        }
    }
}
