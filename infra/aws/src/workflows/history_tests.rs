use aws_sdk_sfn::types::{
    ExecutionFailedEventDetails, HistoryEvent, HistoryEventType as Type, MapIterationEventDetails,
    StateEnteredEventDetails, StateExitedEventDetails, TaskFailedEventDetails, TaskScheduledEventDetails,
    TaskSucceededEventDetails,
};
use sendoff_workflows::engine::{Entry, What};
use serde_json::{Value, json};

use super::entries;

/// An event after the one before it.
fn event(id: i64, kind: Type) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
    let at = aws_smithy_types::DateTime::from_secs(id);
    HistoryEvent::builder().id(id).previous_event_id(id - 1).r#type(kind).timestamp(at)
}

fn done(event: aws_sdk_sfn::types::builders::HistoryEventBuilder) -> HistoryEvent {
    event.build().unwrap()
}

fn entered(id: i64, kind: Type, name: &str) -> HistoryEvent {
    let details = StateEnteredEventDetails::builder().name(name).build().unwrap();
    done(event(id, kind).state_entered_event_details(details))
}

fn exited(id: i64, kind: Type, name: &str) -> HistoryEvent {
    let details = StateExitedEventDetails::builder().name(name).build().unwrap();
    done(event(id, kind).state_exited_event_details(details))
}

fn scheduled(id: i64, payload: &Value) -> HistoryEvent {
    let parameters = json!({ "FunctionName": "f", "Payload": payload }).to_string();
    let details = TaskScheduledEventDetails::builder().resource_type("lambda").resource("invoke").region("r");
    let details = details.parameters(parameters).build().unwrap();
    done(event(id, Type::TaskScheduled).task_scheduled_event_details(details))
}

fn succeeded(id: i64, output: &Value) -> HistoryEvent {
    let details = TaskSucceededEventDetails::builder().resource_type("lambda").resource("invoke");
    let details = details.output(output.to_string()).build().unwrap();
    done(event(id, Type::TaskSucceeded).task_succeeded_event_details(details))
}

fn task_failed(id: i64, error: &str) -> HistoryEvent {
    let details = TaskFailedEventDetails::builder().resource_type("lambda").resource("invoke").error(error);
    done(event(id, Type::TaskFailed).task_failed_event_details(details.build().unwrap()))
}

fn told(entries: &[Entry]) -> Vec<(What, String, Option<u32>)> {
    let instance = |entry: &Entry| entry.instance.as_ref().map(ToString::to_string).unwrap_or_default();
    entries.iter().map(|entry| (entry.what, instance(entry), entry.attempt)).collect()
}

#[test]
fn an_action_that_is_tried_again_and_fails_tells_each_attempt() {
    let failed = ExecutionFailedEventDetails::builder().error("Action.Transient").cause("down").build();
    let mut events = vec![
        done(event(1, Type::ExecutionStarted)),
        entered(2, Type::PassStateEntered, "Start"),
        exited(3, Type::PassStateExited, "Start"),
        entered(4, Type::TaskStateEntered, "tell"),
        scheduled(5, &json!({ "action": "email", "to": "ada" })),
        task_failed(6, "Action.Transient"),
    ];
    let so_far = entries(&events);
    assert_eq!(so_far.last().unwrap().what, What::Retrying, "nothing has followed yet");
    events.extend([
        scheduled(7, &json!({ "action": "email", "to": "ada" })),
        task_failed(8, "Action.Transient"),
        done(event(9, Type::ExecutionFailed).execution_failed_event_details(failed)),
    ]);
    let entries = entries(&events);
    assert_eq!(entries[..so_far.len()], so_far, "what was told stays");
    let tell = || "tell".to_owned();
    let expected = [
        (What::Started, String::new(), None),
        (What::Entered, tell(), None),
        (What::Attempted, tell(), Some(1)),
        (What::Retrying, tell(), Some(1)),
        (What::Attempted, tell(), Some(2)),
        (What::Failed, tell(), Some(2)),
        (What::RunFailed, String::new(), None),
    ];
    assert_eq!(told(&entries), expected);
    assert_eq!(entries[2].input, Some(json!({ "action": "email", "to": "ada" })));
    assert_eq!(entries[6].error.as_ref().unwrap().cause, "down");
}

#[test]
fn items_of_a_for_each_are_told_apart_although_they_run_at_once() {
    let item = |id: i64, index: i32, before: i64| {
        let details = MapIterationEventDetails::builder().name("each").index(index).build();
        done(
            event(id, Type::MapIterationStarted).previous_event_id(before).map_iteration_started_event_details(details),
        )
    };
    let after = |before: i64, mut event: HistoryEvent| {
        event.previous_event_id = before;
        event
    };
    let events = [
        done(event(1, Type::ExecutionStarted)),
        entered(2, Type::MapStateEntered, "each"),
        done(event(3, Type::MapStateStarted)),
        item(4, 0, 3),
        item(5, 1, 3),
        after(4, entered(6, Type::TaskStateEntered, "mail")),
        after(5, entered(7, Type::TaskStateEntered, "mail")),
        after(7, scheduled(8, &json!({ "action": "email" }))),
        after(6, scheduled(9, &json!({ "action": "email" }))),
        after(9, succeeded(10, &json!({ "Payload": { "status": "skipped" } }))),
        after(8, succeeded(11, &json!({ "Payload": { "status": "sent" } }))),
        after(11, done(event(12, Type::MapStateSucceeded))),
        exited(13, Type::MapStateExited, "each"),
        done(event(14, Type::ExecutionSucceeded)),
    ];
    let events = events.map(|mut found| {
        if found.id == 12 {
            found.previous_event_id = 11;
        }
        found
    });
    let expected = [
        (What::Started, "", None),
        (What::Entered, "each", None),
        (What::Entered, "mail/0", None),
        (What::Entered, "mail/1", None),
        (What::Attempted, "mail/1", Some(1)),
        (What::Attempted, "mail/0", Some(1)),
        (What::Skipped, "mail/0", Some(1)),
        (What::Done, "mail/1", Some(1)),
        (What::Done, "each", None),
        (What::RunSucceeded, "", None),
    ];
    assert_eq!(told(&entries(&events)), expected.map(|(what, at, attempt)| (what, at.to_owned(), attempt)));
}

#[test]
fn an_approval_tells_what_was_asked_and_never_the_token() {
    let ask = json!({ "action": "approval", "title": "May I?", "token": "secret" });
    let events = [
        entered(1, Type::TaskStateEntered, "ask"),
        scheduled(2, &ask),
        succeeded(3, &json!({ "decision": "approved", "by": "ada" })),
        exited(4, Type::TaskStateExited, "ask"),
    ];
    let entries = entries(&events);
    let expected = [(What::Entered, None), (What::Asked, Some(1)), (What::Decided, Some(1))];
    assert_eq!(told(&entries), expected.map(|(what, attempt)| (what, "ask".to_owned(), attempt)));
    assert_eq!(entries[1].input, Some(json!({ "action": "approval", "title": "May I?" })));
    assert_eq!(entries[2].output, Some(json!({ "decision": "approved", "by": "ada" })));
}

#[test]
fn a_wait_until_a_time_of_the_day_is_one_step() {
    let events = [
        entered(1, Type::TaskStateEntered, "pause"),
        scheduled(2, &json!({ "action": "moment" })),
        succeeded(3, &json!({ "Payload": { "at": "2026-11-27T08:00:00Z" } })),
        exited(4, Type::TaskStateExited, "pause"),
        entered(5, Type::WaitStateEntered, "pause until"),
        exited(6, Type::WaitStateExited, "pause until"),
    ];
    let expected = [What::Entered, What::Waiting, What::Done];
    assert_eq!(told(&entries(&events)), expected.map(|what| (what, "pause".to_owned(), None)));
}
