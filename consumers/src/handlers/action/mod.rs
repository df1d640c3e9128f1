//! What somebody asks for directly, without an event: the steps of a workflow.
//!
//! A call is one JSON object. It goes through the same inbox as an event's message: with the same policy, provider, rate limit,
//! suppressions and preferences, and with a record of its own that delivery news find by the delivery id. It differs in that
//! nothing delivers it again: its caller does, by the kind of the error. Quiet hours don't count, since a workflow can wait.
//!
//! | field | what it is |
//! |---|---|
//! | `action` | a channel, `email`, `sms`, `whatsapp`, `push` or `webhook`; or `http`, `database` or `record` |
//! | `idempotency_key` | what the caller calls this call, `{run}/{step}`. The same key is the same work, done once; with other contents it is refused as `idempotency-mismatch` |
//! | `redrive` | optional: how often the run was taken up again after it had failed (`$states.context.Execution.RedriveCount`). What has failed is tried anew when this has grown |
//! | `tenant` | whose it is |
//!
//! Messages have these besides:
//!
//! | field | what it is |
//! |---|---|
//! | `to` | `{"user": "ada"}`, reached as their record says; or `{"address": …}`, an email address, a phone number in E.164 form or a registration token. A webhook is `{"app": "crm", "webhook": "hook-1"}`, one that the app has registered |
//! | `template` | `{"name", "data", "locale"}`: one of our templates, what it is filled with, and the language (the user's by default) |
//! | `subject`, `text`, `html` | a mail, in place of a template; `html` is made of the text where it isn't given, and taken as it stands where it is: whoever calls has escaped what is put into it |
//! | `text` | a text message, or a WhatsApp message to somebody who wrote in the last 24 hours |
//! | `approved_template` | a WhatsApp message by a template that Meta has approved: `{"name", "language", "content_sid", "parameters", "text"}` |
//! | `title`, `body`, `data` | a push message; `data` holds texts by name |
//! | `payload` | what is posted to a webhook: any JSON |
//!
//! `http` calls another system, by a connection that the operator has configured:
//!
//! | field | what it is |
//! |---|---|
//! | `connection` | its name |
//! | `method` | `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE` |
//! | `path` | below the connection's own, from a slash, or the list of its parts, which aren't empty and are without `/` and `%`; `null` behind them is a slash at the end. What has a meaning in URLs is encoded |
//! | `query`, `headers` | optional: texts, numbers and booleans by name; a list in `query` is the name several times, `null` not at all |
//! | `body` | optional: JSON; a text goes as it is where `headers` names another kind of content |
//! | `idempotent` | optional: the other side does the same request once, so it may be repeated when nobody knows whether it arrived |
//! | `response` | optional: `{name: {"at": JSON pointer, "type": type}}` |
//!
//! `database` carries out one statement: `connection`, `sql` with `:name` in place of values, `params` by name, and `returns`, the
//! columns that are wanted, `{name: type}`. `:idempotency_key` is the call's own. `record` makes or changes a submission: `app`,
//! `author`, `create` (`{"fields"}`) or `update` (`{"submission", "fields"}`), `hops`, and optional `correlation` and `causation`.
//!
//! Fields that aren't known, or don't belong to the action, are refused. The answer of a message is `{"status": "sent", "provider",
//! "provider_id"}` or `{"status": "skipped", "reason"}`. That of the others is `{"status": "done"}` with `code` and `response`;
//! `affected`, `first` and `rows`; or `submission` and `revision`. A call that is repeated is answered like the first: what came of
//! it is kept in its record, at most 64 KiB. Errors are [`Action.Permanent`, `Action.Transient` and
//! `Action.Throttled`](ActionErrorKind).
//!
//! While the outcome of a message is unknown and it is held, the answer is `Action.Throttled`: calling again asks the provider
//! what became of it. At the end of the time it may be held it is `Action.Permanent`, for the reason `outcome-unknown`, and a
//! person decides. With `http` and `database` there is nobody to ask, so that is at once.

mod approval;
mod asking;
mod call;
mod connections;
mod database;
mod fields;
mod head;
mod http;
mod mapping;
mod messages;
mod on_sight;
mod outcome;
mod perform;
mod record;
#[cfg(test)]
mod tests;
mod webhook;
mod worded;

pub(crate) use approval::shown;
pub use approval::{ApprovalActions, approval_mails, approval_record_keys, approval_time};
pub use asking::Refusal;
pub use connections::{Connections, Tenants};
pub use database::{Accept, Database, DatabaseActions, DatabaseError, MAX_ROWS, Rows, Sql, SqlError, Statement};
pub use head::{is_call, record_keys};
pub use http::{HttpActions, HttpConnection, HttpConnectionError, HttpConnectionSettings};
pub use messages::MessageActions;
pub use on_sight::check_call;
pub use outcome::{ActionError, ActionErrorKind, ActionResult, ActionStatus};
pub use record::{MAX_HOPS, RecordActions};
use sendoff_events::BoxFuture;
pub use webhook::WebhookActions;
pub use worded::Worded;

use crate::Limits;

/// The name of the events that preferences and unsubscribe links know all messages of workflows by.
pub const WORKFLOW: &str = "workflow";

/// The channel that isn't one of people's.
const WEBHOOK: &str = "webhook";

/// Does what calls of one action ask for.
pub trait Actions: Send + Sync {
    /// Does what the call asks for, once. `call` is its JSON; `limits` say how long there is.
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>>;
}

/// Whether a text means to be a call of an action, be it a good one or not.
#[must_use]
pub fn is_action(text: &str) -> bool {
    head::is_one(text)
}
