//! The page behind an unsubscribe link: without scripts, pictures or links to elsewhere.

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::HtmlEscape;
use ring::digest;
use sendoff_producers::model::Channel;

use crate::links::Unsubscribe;

/// What the page says.
pub(super) enum Says<'a> {
    /// Whether they really want it.
    Asks(&'a Unsubscribe),
    /// That it is done.
    Done(&'a Unsubscribe),
    /// That the link is none of ours.
    NoSuchLink,
}

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}\
                     button{font:inherit;padding:.5rem 1.5rem}";

/// The page as an answer.
pub(super) fn page(status: StatusCode, says: &Says<'_>) -> Response {
    let (title, content) = match says {
        Says::Asks(what) => {
            let form = "<form method=\"post\">\
                        <input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
                        <button>Unsubscribe</button></form>";
            ("Unsubscribe", format!("<p>Do you want no more {}?</p>{form}", about(what)))
        }
        Says::Done(what) => ("Unsubscribed", format!("<p>You will get no more {}.</p>", about(what))),
        Says::NoSuchLink => (
            "No such link",
            "<p>This link is incomplete or not ours. Please copy all of it from the message.</p>".into(),
        ),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>\n"
    );
    (status, headers(), html).into_response()
}

/// Which messages it is about, escaped.
fn about(what: &Unsubscribe) -> String {
    let messages = match what.channel {
        Channel::Email => "emails",
        Channel::Sms => "text messages",
        Channel::Whatsapp => "WhatsApp messages",
        Channel::Push => "notifications",
    };
    let event = match what.event.as_str() {
        "app.assigned" => "apps that you are given",
        "submission.created" => "new submissions",
        other => other,
    };
    format!("{messages} about {}", HtmlEscape(event))
}

/// The address of the page is a secret of its reader, and nothing but the page itself may act in its name.
fn headers() -> [(HeaderName, String); 7] {
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".into()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".into()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::X_FRAME_OPTIONS, "DENY".into()),
        (header::CACHE_CONTROL, "no-store".into()),
        (HeaderName::from_static("x-robots-tag"), "noindex".into()),
    ]
}
