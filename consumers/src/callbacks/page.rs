//! The pages behind links: without scripts, pictures or links to elsewhere.

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}\
                     button,textarea{font:inherit;padding:.5rem 1.5rem}\
                     textarea{display:block;width:100%;box-sizing:border-box;margin:.25rem 0 1rem;padding:.5rem}\
                     .said{white-space:pre-line;overflow-wrap:anywhere}";

/// A page as an answer. `content` is HTML, with everything from outside escaped in it.
pub(super) fn page(status: StatusCode, title: &'static str, content: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>\n"
    );
    (status, headers(), html).into_response()
}

/// What is said where a link isn't ours.
pub(super) fn no_such_link() -> Response {
    let content = "<p>This link is incomplete or not ours. Please copy all of it from the message.</p>";
    page(StatusCode::NOT_FOUND, "No such link", content)
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
