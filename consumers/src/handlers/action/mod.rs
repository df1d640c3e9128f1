//! Messages that somebody asks for directly, without an event: the steps of a workflow.
//!
//! A call is one JSON object. It goes through the same inbox as an event's message: with the same policy, provider, rate limit,
//! suppressions and preferences, and with a record of its own that delivery news find by the delivery id. It differs in that
//! nothing delivers it again: its caller does, by the kind of the error. Quiet hours don't count, since a workflow can wait.
//!
//! | field | what it is |
//! |---|---|
//! | `action` | the channel: `email`, `sms`, `whatsapp`, `push` or `webhook` |
//! | `idempotency_key` | what the caller calls this call, `{run}/{step}`. The same key is the same message, done once; with other contents it is refused as `idempotency-mismatch` |
//! | `redrive` | optional: how often the run was taken up again after it had failed (`$states.context.Execution.RedriveCount`). What has failed is tried anew when this has grown |
//! | `tenant` | whose it is |
//! | `to` | `{"user": "ada"}`, reached as their record says; or `{"address": …}`, an email address, a phone number in E.164 form or a registration token. A webhook is `{"app": "crm", "webhook": "hook-1"}`, one that the app has registered |
//! | `template` | `{"name", "data", "locale"}`: one of our templates, what it is filled with, and the language (the user's by default) |
//! | `subject`, `text`, `html` | a mail, in place of a template; `html` is made of the text where it isn't given |
//! | `text` | a text message, or a WhatsApp message to somebody who wrote in the last 24 hours |
//! | `approved_template` | a WhatsApp message by a template that Meta has approved: `{"name", "language", "content_sid", "parameters", "text"}` |
//! | `title`, `body`, `data` | a push message; `data` holds texts by name |
//! | `payload` | what is posted to a webhook: any JSON |
//!
//! Fields that aren't known, or don't belong to the channel, are refused. The answer is `{"status": "sent", "provider",
//! "provider_id"}` or `{"status": "skipped", "reason"}`; a call that is repeated is answered like the first. Errors are
//! [`Action.Permanent`, `Action.Transient` and `Action.Throttled`](ActionErrorKind).
//!
//! While the outcome of a message is unknown and it is held, the answer is `Action.Throttled`: calling again asks the provider
//! what became of it. At the end of the time it may be held it is `Action.Permanent`, for the reason `outcome-unknown`, and a
//! person decides.

mod call;
mod fields;
mod messages;
mod outcome;
mod perform;
#[cfg(test)]
mod tests;
mod webhook;
mod worded;

pub use messages::MessageActions;
pub use outcome::{ActionError, ActionErrorKind, ActionResult, ActionStatus};
use sendoff_events::BoxFuture;
pub use webhook::WebhookActions;
pub use worded::Worded;

use crate::Limits;

/// The name of the events that preferences and unsubscribe links know all messages of workflows by.
pub const WORKFLOW: &str = "workflow";

/// The channel that isn't one of people's.
const WEBHOOK: &str = "webhook";

/// Does what calls ask for, on one channel.
pub trait Actions: Send + Sync {
    /// Does what the call asks for, once. `call` is its JSON; `limits` say how long there is.
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>>;
}

/// Whether a text means to be a call of an action, be it a good one or not.
#[must_use]
pub fn is_action(text: &str) -> bool {
    call::Call::is_one(text)
}
