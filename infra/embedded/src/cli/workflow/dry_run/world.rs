//! The world of a dry run: everything succeeds at once, but for what the command line says.

use jiff::SignedDuration;
use sendoff_consumers::action::check_call;
use sendoff_workflows::engine::{ActCommand, Answer, AskCommand, Decision, Failure, Instance, Outcome, Reply, World};
use serde_json::{Value, json};

use super::message::{Message, Writer, Written};
use crate::cli::workflow::args::{Decided, DryRun};

pub(super) struct MadeUp<'a> {
    args: &'a DryRun,
    writer: Writer<'a>,
    /// All messages that were sent, in order.
    pub(super) messages: Vec<Message>,
}

impl<'a> MadeUp<'a> {
    pub(super) const fn new(args: &'a DryRun, writer: Writer<'a>) -> Self {
        Self { args, writer, messages: Vec::new() }
    }

    /// What comes of a call. One that the action would refuse on sight is refused, unless the command line says what becomes of it.
    fn reply(&mut self, instance: &Instance, call: &Value) -> Reply {
        if let Some(fail) = self.args.fail.iter().find(|fail| fail.is_about(instance)) {
            return Reply::Failed(Failure { error: fail.what.clone(), cause: "as --fail says".into() });
        }
        if let Err(error) = check_call(call["action"].as_str().unwrap_or_default(), &call.to_string()) {
            return Reply::Failed(Failure { error: error.kind.name().into(), cause: error.to_string() });
        }
        match self.writer.write(&instance.to_string(), call) {
            Some(Err(error)) => {
                return Reply::Failed(Failure { error: "Action.Permanent".into(), cause: error.to_string() });
            }
            Some(Ok(Written::Skipped(reason))) => {
                return Reply::Done(json!({ "status": "skipped", "reason": reason }));
            }
            Some(Ok(Written::Sent(message))) => self.messages.push(message),
            None => {}
        }
        let mut done = usual(call);
        if let Some(answer) = self.args.answer.iter().find(|answer| answer.is_about(instance)) {
            done.as_object_mut().into_iter().for_each(|done| done.extend(answer.what.0.clone()));
        }
        Reply::Done(done)
    }
}

/// What an action answers where nothing else is said. The engine makes blank what isn't there.
fn usual(call: &Value) -> Value {
    match call["action"].as_str() {
        Some("http") => json!({ "status": "done", "code": 200 }),
        Some("database") => json!({ "status": "done", "affected": 1 }),
        Some("record") => json!({ "status": "done", "submission": "dry-run", "revision": 1 }),
        _ => json!({ "status": "sent", "provider": "dry-run", "provider_id": "dry-run" }),
    }
}

impl World for MadeUp<'_> {
    fn act(&mut self, act: &ActCommand) -> Outcome {
        Outcome { after: SignedDuration::ZERO, reply: self.reply(&act.instance, &act.call) }
    }

    fn ask(&mut self, ask: &AskCommand) -> Answer {
        let Some(first) = ask.approvers.iter().find(|approver| self.writer.can_be_asked(approver)) else {
            let cause = match ask.approvers.is_empty() {
                true => "nobody is named who could approve",
                false => "none of the approvers can be reached by mail, or wants mails of workflows",
            };
            return Answer::Failed(Failure { error: "Action.Permanent".into(), cause: cause.into() });
        };
        let said = self.args.approve.iter().find(|said| said.is_about(&ask.instance));
        let decision = match said.map_or(Decided::Approved, |said| said.what) {
            Decided::Approved => Decision::Approved,
            Decided::Rejected => Decision::Rejected,
            Decided::Nobody => return Answer::Nobody,
        };
        Answer::Decided { after: SignedDuration::ZERO, decision, by: first.clone(), comment: None }
    }
}
