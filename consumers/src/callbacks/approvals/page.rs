//! The pages behind a link for an approval. Everything that a workflow or a person has said is escaped.

use axum::{http::StatusCode, response::Response};
use minijinja::HtmlEscape;
use sendoff_events::Decision;
use sendoff_producers::model::{Approval, Decided};

use super::{
    Waiting,
    form::{MAX_COMMENT, Wanted, Wrong},
};
use crate::{action::shown, callbacks::page::page, links::ApprovalLink};

/// The question, with two buttons.
pub(super) fn asks(approval: &Approval, waiting: Waiting) -> Response {
    let (title, text) = (HtmlEscape(approval.title.expose()), HtmlEscape(approval.text.expose()));
    let content = format!(
        "<p class=\"said\"><strong>{title}</strong></p><p class=\"said\">{text}</p>\
         <form method=\"post\"><label>Comment (optional)\
         <textarea name=\"comment\" rows=\"3\" maxlength=\"{MAX_COMMENT}\"></textarea></label>\
         <button name=\"decision\" value=\"approved\">Approve</button> \
         <button name=\"decision\" value=\"rejected\">Reject</button></form>\
         <p>You can decide until {}. The first decision stands.</p>{}",
        shown(approval.deadline),
        later(waiting),
    );
    page(StatusCode::OK, "Please decide", &content)
}

/// It is decided just now.
pub(super) fn done(decision: Decision, waiting: Waiting) -> Response {
    let content = format!("<p>Thank you. You have {} it.</p>{}", decision.name(), later(waiting));
    page(StatusCode::OK, title(decision), &content)
}

/// Somebody looks at what was decided.
pub(super) fn was_decided(decided: &Decided, link: &ApprovalLink) -> Response {
    page(StatusCode::OK, title(decided.decision), &told(decided, link))
}

/// Somebody decides what was decided. Who posts the same twice, be it by a second click, has got what they wanted.
pub(super) fn came_to(decided: &Decided, link: &ApprovalLink, wanted: &Wanted) -> Response {
    if decided.by == link.approver && decided.decision == wanted.decision {
        return done(decided.decision, Waiting::Run);
    }
    let content = format!("{}<p>The first decision stands: yours was not taken.</p>", told(decided, link));
    page(StatusCode::CONFLICT, "Decided already", &content)
}

/// Nobody can decide any more.
pub(super) fn expired(approval: &Approval) -> Response {
    let content = format!(
        "<p class=\"said\"><strong>{}</strong></p><p>The time to decide by this link is over, and nothing was decided by it.</p>",
        HtmlEscape(approval.title.expose()),
    );
    page(StatusCode::GONE, "Too late", &content)
}

/// Nobody waits for it any more.
pub(super) fn over(approval: &Approval) -> Response {
    let content = format!(
        "<p class=\"said\"><strong>{}</strong></p><p>What asked for it was stopped or has come to its end. A decision would have no \
         effect any more, so none was taken.</p>",
        HtmlEscape(approval.title.expose()),
    );
    page(StatusCode::GONE, "No longer needed", &content)
}

/// What a decision comes to while nobody waits for it.
const fn later(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::Run => "",
        Waiting::Redrive => {
            "<p>What asked for it has failed meanwhile. The decision is kept, and counts if it is taken up again.</p>"
        }
    }
}

/// The form can't be taken.
pub(super) fn wrong(wrong: Wrong) -> Response {
    let content = match wrong {
        Wrong::NoDecision => "<p>Nothing was decided: please go back and choose one of the two buttons.</p>".to_owned(),
        Wrong::LongComment => format!(
            "<p>Nothing was decided: the comment has more than {MAX_COMMENT} characters. Please go back and shorten it.</p>"
        ),
    };
    page(StatusCode::UNPROCESSABLE_ENTITY, "Nothing was decided", &content)
}

fn told(decided: &Decided, link: &ApprovalLink) -> String {
    let who = if decided.by == link.approver { "you" } else { decided.by.as_str() };
    let (what, when) = (decided.decision.name(), shown(decided.at));
    let comment =
        decided.comment.as_ref().map(|comment| format!("<p class=\"said\">“{}”</p>", HtmlEscape(comment.expose())));
    format!("<p>It was {what} by {} on {when}.</p>{}", HtmlEscape(who), comment.unwrap_or_default())
}

const fn title(decision: Decision) -> &'static str {
    match decision {
        Decision::Approved => "Approved",
        Decision::Rejected => "Rejected",
    }
}
