//! The page behind an unsubscribe link.

use axum::{http::StatusCode, response::Response};
use minijinja::HtmlEscape;
use sendoff_producers::model::Channel;

use crate::{callbacks::page::page, links::Unsubscribe};

/// The page that asks whether they really want it.
pub(super) fn asks(what: &Unsubscribe) -> Response {
    let form = "<form method=\"post\">\
                <input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
                <button>Unsubscribe</button></form>";
    page(StatusCode::OK, "Unsubscribe", &format!("<p>Do you want no more {}?</p>{form}", about(what)))
}

/// The page that says that it is done.
pub(super) fn done(what: &Unsubscribe) -> Response {
    page(StatusCode::OK, "Unsubscribed", &format!("<p>You will get no more {}.</p>", about(what)))
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
