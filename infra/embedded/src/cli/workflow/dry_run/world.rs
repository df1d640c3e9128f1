//! The world of a dry run: everything succeeds at once, but for what the command line says.

use jiff::SignedDuration;
use sendoff_consumers::{
    action::{ActionError, ActionErrorKind, approval_mails, check_call},
    approval_call,
    templates::TemplateError,
};
use sendoff_events::UserId;
use sendoff_workflows::engine::{ActCommand, Answer, AskCommand, Decision, Failure, Instance, Outcome, Reply, World};
use serde_json::{Value, json};

use super::{
    RUN, TENANT,
    message::{Message, Writer, Written},
};
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
            return Reply::Failed(refused(&error));
        }
        match self.writer.write(&instance.to_string(), call) {
            Some(Err(error)) => {
                return Reply::Failed(unwritten(&error));
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

    /// Writes to all who are asked, as the action does. Gives the first of those who get their mail: one is enough.
    fn write_to_approvers(&mut self, ask: &AskCommand) -> Result<UserId, Failure> {
        let call = approval_call(RUN, TENANT, 0, ask).to_string();
        let (step, mut first, mut failed) = (ask.instance.to_string(), None, None);
        for (approver, mail) in approval_mails(&call, ask.due, LINK).map_err(|error| refused(&error))? {
            match self.writer.write(&step, &mail) {
                Some(Ok(Written::Sent(message))) => {
                    self.messages.push(message);
                    first.get_or_insert(approver);
                }
                Some(Err(error)) => failed = Some(unwritten(&error)),
                Some(Ok(Written::Skipped(_))) | None => {}
            }
        }
        first.ok_or_else(|| failed.unwrap_or_else(|| refused(&ActionError::nobody_asked())))
    }
}

/// Stands in the mail of an approval for the link of whoever is asked: nothing waits for an answer.
const LINK: &str = "https://notify.example.org/approvals/dry-run";

fn refused(error: &ActionError) -> Failure {
    Failure { error: error.kind.name().into(), cause: error.to_string() }
}

fn unwritten(error: &TemplateError) -> Failure {
    Failure { error: ActionErrorKind::Permanent.name().into(), cause: error.to_string() }
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
        let first = match self.write_to_approvers(ask) {
            Ok(first) => first,
            Err(failure) => return Answer::Failed(failure),
        };
        let said = self.args.approve.iter().find(|said| said.is_about(&ask.instance));
        let decision = match said.map_or(Decided::Approved, |said| said.what) {
            Decided::Approved => Decision::Approved,
            Decided::Rejected => Decision::Rejected,
            Decided::Nobody => return Answer::Nobody,
        };
        Answer::Decided { after: SignedDuration::ZERO, decision, by: first.to_string(), comment: None }
    }
}
