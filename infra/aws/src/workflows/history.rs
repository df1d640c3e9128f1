//! What a run has done, from the events that Step Functions tells of its execution.
//!
//! A state that is called like a step is that step; one with a space in its name stands beside a step, and one that begins with a
//! capital is about the run (`sendoff_workflows::asl`). Each event names the one that led to it, by which it is known for which
//! items of a `for_each` it is.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType as Type};
use sendoff_consumers::{HistoryPage, RunEntry, RunFailure, WorkflowError};
use sendoff_workflows::engine::{Entry, Instance, What};
use serde_json::Value;

use super::{SfnWorkflows, failed, moment};
use crate::CallError;

impl SfnWorkflows {
    /// A page costs a call for each 1,000 events of the run, of which there are 25,000 at most.
    pub(super) async fn told(&self, name: &str, after: u64, limit: usize) -> Result<HistoryPage, WorkflowError> {
        let mut events = Vec::new();
        if let Some((_, found)) = self.describe(name).await? {
            let (arn, mut token) = (found.execution_arn(), None);
            loop {
                let ask = self.store.aws.sfn().get_execution_history().execution_arn(arn).max_results(1000);
                let page = ask.include_execution_data(true).set_next_token(token).send().await;
                let page = page.map_err(|error| failed(CallError::of("states:GetExecutionHistory", arn, &error)))?;
                events.extend(page.events);
                token = page.next_token.filter(|token| !token.is_empty());
                if token.is_none() {
                    break;
                }
            }
        }
        let numbered = (1..).zip(entries(&events)).map(|(number, entry)| RunEntry { number, entry });
        let limit = limit.clamp(1, 1000);
        let mut entries: Vec<_> = numbered.filter(|found| found.number > after).take(limit + 1).collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|last| last.number);
        Ok(HistoryPage { entries, next })
    }
}

/// Where the run is after an event.
#[derive(Debug, Clone, Default)]
struct Place {
    /// At which step.
    at: Option<Instance>,
    /// The `parallel` and `for_each` around it, the outermost first.
    around: Vec<Instance>,
    /// The items that it is at.
    items: Vec<u32>,
    /// What the task asked for there is.
    task: Task,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Task {
    #[default]
    Action,
    Approval,
    /// The moment of a time of the day, which is nothing to the reader.
    Moment,
}

/// The events as what they are in a run of ours.
pub(super) fn entries(events: &[HistoryEvent]) -> Vec<Entry> {
    // After which events a task is asked for again.
    let repeated: BTreeSet<i64> =
        events.iter().filter(|e| *e.r#type() == Type::TaskScheduled).map(HistoryEvent::previous_event_id).collect();
    let followed: BTreeSet<i64> = events.iter().map(HistoryEvent::previous_event_id).collect();
    let mut reader = Reader::default();
    for event in events {
        // The last event of a run that goes on: the next attempt is due later.
        let again = repeated.contains(&event.id()) || !followed.contains(&event.id());
        reader.read(event, again);
    }
    reader.told
}

#[derive(Default)]
struct Reader {
    places: BTreeMap<i64, (Place, Option<Type>)>,
    attempts: BTreeMap<Instance, u32>,
    told: Vec<Entry>,
}

impl Reader {
    fn read(&mut self, event: &HistoryEvent, again: bool) {
        let (mut place, before) = self.places.get(&event.previous_event_id()).cloned().unwrap_or_default();
        match event.r#type() {
            Type::ExecutionStarted => {
                let input = event.execution_started_event_details().and_then(|details| json(details.input()));
                self.say(event, What::Started, None).input = input;
            }
            Type::ExecutionSucceeded => drop(self.say(event, What::RunSucceeded, None)),
            Type::ExecutionAborted => drop(self.say(event, What::RunStopped, None)),
            Type::ExecutionFailed | Type::ExecutionTimedOut => {
                self.say(event, What::RunFailed, None).error = failure(event);
            }
            Type::ExecutionRedriven => drop(self.say(event, What::Redriven, None)),
            Type::MapIterationStarted => {
                let index = event.map_iteration_started_event_details().map_or(0, |details| details.index());
                place.items = place.around.last().map(|each| each.items.clone()).unwrap_or_default();
                place.items.push(u32::try_from(index).unwrap_or_default());
                place.at = None;
            }
            Type::ParallelStateSucceeded | Type::MapStateSucceeded => leave(&mut place),
            Type::ParallelStateFailed | Type::MapStateFailed => {
                leave(&mut place);
                let at = place.at.clone();
                self.say(event, What::Failed, at);
            }
            Type::TaskStateAborted | Type::WaitStateAborted | Type::ParallelStateAborted | Type::MapStateAborted => {
                if matches!(event.r#type(), Type::ParallelStateAborted | Type::MapStateAborted) {
                    leave(&mut place);
                }
                if let Some(at) = place.at.clone() {
                    self.say(event, What::GivenUp, Some(at));
                }
            }
            Type::TaskScheduled => self.scheduled(event, &mut place),
            Type::TaskSucceeded if place.task != Task::Moment => self.succeeded(event, &place),
            Type::TaskFailed | Type::TaskTimedOut | Type::TaskStartFailed | Type::TaskSubmitFailed => {
                let what = match (again, place.task, event.r#type()) {
                    (false, Task::Approval, Type::TaskTimedOut) => What::Expired,
                    (true, ..) => What::Retrying,
                    (false, ..) => What::Failed,
                };
                let attempt = place.at.as_ref().and_then(|at| self.attempts.get(at).copied());
                let said = self.say(event, what, place.at.clone());
                said.attempt = attempt;
                said.error = failure(event).filter(|_| what != What::Expired);
            }
            _ => self.passed(event, &mut place, before.as_ref()),
        }
        self.places.insert(event.id(), (place, Some(event.r#type().clone())));
    }

    /// States that are entered and left.
    fn passed(&mut self, event: &HistoryEvent, place: &mut Place, before: Option<&Type>) {
        let entered = event.state_entered_event_details();
        let exited = event.state_exited_event_details();
        let Some(name) = entered.map(|d| d.name()).or_else(|| exited.map(|d| d.name())) else { return };
        let (step, beside) = name.split_once(' ').map_or((name, None), |(step, beside)| (step, Some(beside)));
        let kind = event.r#type();
        if !step.starts_with(|c: char| c.is_ascii_lowercase()) || beside.is_some_and(|beside| beside != "until") {
            return;
        }
        let at = Instance::new(step, &place.items);
        place.at = Some(at.clone());
        if entered.is_some() {
            if beside.is_none() {
                place.task = Task::default();
                self.say(event, What::Entered, Some(at.clone()));
            }
            match kind {
                Type::WaitStateEntered => drop(self.say(event, What::Waiting, Some(at))),
                Type::FailStateEntered => drop(self.say(event, What::Failed, Some(at))),
                Type::ParallelStateEntered | Type::MapStateEntered => place.around.push(at),
                _ => {}
            }
            return;
        }
        let what = match kind {
            Type::ChoiceStateExited => What::Chosen,
            // Said when the task was done.
            Type::TaskStateExited => return,
            _ if matches!(before, Some(Type::ParallelStateFailed | Type::MapStateFailed)) => return,
            _ => What::Done,
        };
        self.say(event, what, Some(at));
    }

    fn scheduled(&mut self, event: &HistoryEvent, place: &mut Place) {
        let details = event.task_scheduled_event_details();
        let mut call = details.and_then(|details| json(Some(details.parameters())));
        let mut call = call.as_mut().and_then(|call| call.get_mut("Payload")).map(Value::take).unwrap_or_default();
        place.task = match call["action"].as_str() {
            Some("moment") => Task::Moment,
            Some("approval") => Task::Approval,
            _ => Task::Action,
        };
        let Some(at) = place.at.clone().filter(|_| place.task != Task::Moment) else { return };
        if let Some(fields) = call.as_object_mut() {
            // Whoever has it can decide.
            fields.remove("token");
        }
        let attempt = self.attempts.entry(at.clone()).or_default();
        *attempt += 1;
        let attempt = *attempt;
        let what = if place.task == Task::Approval { What::Asked } else { What::Attempted };
        let said = self.say(event, what, Some(at));
        (said.attempt, said.input) = (Some(attempt), Some(call));
    }

    fn succeeded(&mut self, event: &HistoryEvent, place: &Place) {
        let output = event.task_succeeded_event_details().and_then(|details| json(details.output()));
        let output = match (place.task, output) {
            (Task::Action, Some(mut answer)) => answer.get_mut("Payload").map(Value::take),
            (_, output) => output,
        };
        let what = match place.task {
            Task::Approval => What::Decided,
            _ if output.as_ref().is_some_and(|output| output["status"] == "skipped") => What::Skipped,
            _ => What::Done,
        };
        let attempt = place.at.as_ref().and_then(|at| self.attempts.get(at).copied());
        let said = self.say(event, what, place.at.clone());
        (said.attempt, said.output) = (attempt, output);
    }

    fn say(&mut self, event: &HistoryEvent, what: What, instance: Option<Instance>) -> &mut Entry {
        let at = moment(event.timestamp());
        let entry = Entry { at, what, instance, attempt: None, input: None, output: None, error: None };
        let last = self.told.len();
        self.told.push(entry);
        &mut self.told[last]
    }
}

/// Goes out of the innermost `parallel` or `for_each`, to it.
fn leave(place: &mut Place) {
    if let Some(at) = place.around.pop() {
        place.items.clone_from(&at.items);
        place.at = Some(at);
    }
}

fn json(text: Option<&str>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

fn failure(event: &HistoryEvent) -> Option<RunFailure> {
    let of = |error: Option<&str>, cause: Option<&str>| RunFailure {
        error: error.unwrap_or("States.Timeout").to_owned(),
        cause: cause.unwrap_or_default().to_owned(),
    };
    let found = [
        event.execution_failed_event_details().map(|d| of(d.error(), d.cause())),
        event.execution_timed_out_event_details().map(|d| of(d.error(), d.cause())),
        event.task_failed_event_details().map(|d| of(d.error(), d.cause())),
        event.task_timed_out_event_details().map(|d| of(d.error(), d.cause())),
        event.task_start_failed_event_details().map(|d| of(d.error(), d.cause())),
        event.task_submit_failed_event_details().map(|d| of(d.error(), d.cause())),
    ];
    found.into_iter().flatten().next()
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
