use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::executor::block_on;
use ring::digest;
use sendoff_producers::{
    api::{self, ApiState, DevelopmentKey, KeySet, mint},
    model::{Channel, User, user_key},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{CallbackState, Stage};
use crate::{
    handlers::doubles::tenant,
    links::{Links, Unsubscribe},
};

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

fn what(event: &str) -> Unsubscribe {
    Unsubscribe { tenant: tenant(), user: "ada".parse().unwrap(), event: event.into(), channel: Channel::Email }
}

/// The path of the link that a mail to Ada carries.
fn path(stage: &Stage, event: &str) -> String {
    stage.links.unsubscribe(&what(event)).strip_prefix("https://notify.example.org").unwrap().to_owned()
}

fn ada(stage: &Stage) -> Value {
    let key = user_key(&tenant(), &"ada".parse().unwrap());
    stage.world.records.records.lock().unwrap()[&key].data.clone()
}

fn stage() -> Stage {
    let stage = Stage::new();
    let ada = json!({ "name": "Ada", "email": "ada@example.org", "events": { "app.assigned": { "sms": true } } });
    stage.world.records.put(user_key(&tenant(), &"ada".parse().unwrap()), ada);
    stage
}

pub(super) fn is_harmless(headers: &HeaderMap, page: &str) {
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "the page's own style is allowed");
    for word in ["<script", "http://", "https://", "<img", "<link", "href", "src="] {
        assert!(!page.contains(word), "{word} in {page}");
    }
}

#[test]
fn looking_at_the_link_changes_nothing() {
    let stage = stage();
    let before = stage.everything();
    for method in [Method::GET, Method::HEAD] {
        let (status, _, _) = stage.call(method, &path(&stage, "app.assigned"), &[], "");
        assert_eq!(status, StatusCode::OK);
    }
    let (_, headers, page) = stage.call(Method::GET, &path(&stage, "app.assigned"), &[], "");
    is_harmless(&headers, &page);
    assert!(page.contains("<form method=\"post\">") && page.contains("emails about apps"), "{page}");
    assert_eq!(stage.everything(), before);
}

#[test]
fn one_click_turns_off_this_event_on_this_channel_and_nothing_else() {
    let stage = stage();
    let (status, headers, page) = stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, ONE_CLICK);
    assert_eq!(status, StatusCode::OK);
    is_harmless(&headers, &page);
    assert!(page.contains("You will get no more emails about apps"), "{page}");
    assert_eq!(ada(&stage)["opted_out"], json!({ "app.assigned": ["email"] }));
    assert_eq!(ada(&stage)["events"], json!({ "app.assigned": { "sms": true } }), "what others set stays");
    assert_eq!(ada(&stage)["email"], "ada@example.org");
    let once = stage.everything();
    assert_eq!(stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, ONE_CLICK).0, StatusCode::OK);
    assert_eq!(stage.everything(), once, "twice is the same as once");
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    assert_eq!(stage.call(Method::POST, &path(&stage, "submission.created"), &multipart, body).0, StatusCode::OK);
    assert_eq!(ada(&stage)["opted_out"]["submission.created"], json!(["email"]));
}

#[test]
fn whoever_has_unsubscribed_stays_so_whatever_is_written_through_the_api() {
    let stage = stage();
    for event in ["app.assigned", "workflow"] {
        assert_eq!(stage.call(Method::POST, &path(&stage, event), &FORM, ONE_CLICK).0, StatusCode::OK);
    }
    let api = Api::over(&stage);
    let shown = api.call("GET", None);
    assert_eq!(shown["opted_out"], json!({ "app.assigned": ["email"], "workflow": ["email"] }), "it is shown");
    // As a system of the customer's writes the whole of it, without knowing of any unsubscribing.
    api.call("PUT", Some(json!({ "name": "Ada", "events": { "app.assigned": { "email": true } } })));
    let user: User = serde_json::from_value(ada(&stage)).unwrap();
    for event in ["app.assigned", "workflow"] {
        assert!(!user.wants(Channel::Email, event), "{event}");
    }
    assert!(user.wants(Channel::Email, "submission.created") && user.wants(Channel::Sms, "app.assigned"));
}

/// The API over the same records.
struct Api {
    router: axum::Router,
    token: String,
}

impl Api {
    fn over(stage: &Stage) -> Self {
        let key = DevelopmentKey::loopback("127.0.0.1:0".parse().unwrap()).unwrap();
        let (clock, hour) = (stage.world.clock.clone(), Duration::from_secs(3600));
        let token = mint(&key.signing(), &tenant(), &"eve".parse().unwrap(), hour, &*clock).unwrap();
        let keys = KeySet::new().with_development(&key).unwrap();
        let state = ApiState::new(stage.world.records.clone(), keys, clock, stage.world.rng.clone());
        Self { router: api::router(state), token }
    }

    /// What the API says of Ada.
    fn call(&self, method: &str, body: Option<Value>) -> Value {
        let request = Request::builder()
            .method(method)
            .uri("/v1/users/ada")
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .unwrap();
        block_on(async {
            let answer = self.router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap()
        })
    }
}

#[test]
fn a_link_that_is_not_ours_leads_nowhere() {
    let stage = stage();
    let before = stage.everything();
    let other = Links::new("https://notify.example.org", &"another secret!!".into()).unwrap();
    let forged = other.unsubscribe(&what("app.assigned"));
    let ours = path(&stage, "app.assigned");
    for link in [
        forged.strip_prefix("https://notify.example.org").unwrap().to_owned(),
        format!("{}x", &ours[..ours.len() - 2]),
        ours.replace("/unsubscribe/", "/unsubscribe/x"),
        "/unsubscribe/x".into(),
        "/unsubscribe/.".into(),
        "/unsubscribe/%3Cscript%3E".into(),
        format!("/unsubscribe/{}", "x".repeat(60_000)),
    ] {
        for method in [Method::GET, Method::POST] {
            let (status, headers, page) = stage.call(method, &link, &FORM, ONE_CLICK);
            assert_eq!(status, StatusCode::NOT_FOUND, "{link}");
            is_harmless(&headers, &page);
        }
    }
    assert_eq!(stage.everything(), before);
}

#[test]
fn what_a_link_says_can_not_become_html_or_a_header() {
    let stage = stage();
    let path = path(&stage, "</p><script>alert(1)</script>\r\nSet-Cookie: a=b\"'&");
    for method in [Method::GET, Method::POST] {
        let (status, headers, page) = stage.call(method, &path, &FORM, ONE_CLICK);
        assert_eq!(status, StatusCode::OK);
        is_harmless(&headers, &page);
        assert!(!headers.contains_key("set-cookie"));
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }
}

#[test]
fn a_user_who_was_deleted_gets_nothing_anyway() {
    let stage = Stage::new();
    assert_eq!(stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, ONE_CLICK).0, StatusCode::OK);
    assert_eq!(stage.world.records.all(), [], "and isn't made anew");
}

#[test]
fn who_can_not_be_unsubscribed_now_is_not_told_that_they_are() {
    let stage = stage();
    stage.world.records.down.store(true, Ordering::Relaxed);
    let (status, _, _) = stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, ONE_CLICK);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    stage.world.records.down.store(false, Ordering::Relaxed);
    assert_eq!(ada(&stage)["events"], json!({ "app.assigned": { "sms": true } }));
}

#[test]
fn without_links_there_is_nothing_to_unsubscribe() {
    let with = stage();
    let without = Stage::with(|state| CallbackState { links: None, ..state });
    let path = path(&with, "app.assigned");
    assert_eq!(without.call(Method::POST, &path, &FORM, ONE_CLICK).0, StatusCode::NOT_FOUND);
}

#[test]
fn an_endless_body_is_not_read() {
    let stage = stage();
    let body = "x".repeat(65 * 1024);
    let (status, _, _) = stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, body);
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ada(&stage)["events"], json!({ "app.assigned": { "sms": true } }));
}
