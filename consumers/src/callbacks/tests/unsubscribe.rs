use std::sync::atomic::Ordering;

use axum::http::{HeaderMap, Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;
use sendoff_producers::model::{Channel, user_key};
use serde_json::{Value, json};

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

fn is_harmless(headers: &HeaderMap, page: &str) {
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
    assert_eq!(ada(&stage)["events"], json!({ "app.assigned": { "email": false, "sms": true } }));
    assert_eq!(ada(&stage)["email"], "ada@example.org");
    let once = stage.everything();
    assert_eq!(stage.call(Method::POST, &path(&stage, "app.assigned"), &FORM, ONE_CLICK).0, StatusCode::OK);
    assert_eq!(stage.everything(), once, "twice is the same as once");
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    assert_eq!(stage.call(Method::POST, &path(&stage, "submission.created"), &multipart, body).0, StatusCode::OK);
    assert_eq!(ada(&stage)["events"]["submission.created"], json!({ "email": false }));
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
