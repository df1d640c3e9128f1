//! What the events of an execution tell of the run's steps.

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use sendoff_consumers::RunStep;

use super::moment;

/// The state of `asl/run.asl.json` that takes a step; its output is the step's id.
const STEP: &str = "Step";

/// The step that this event says was taken.
pub(super) fn step(event: &HistoryEvent) -> Option<RunStep> {
    if *event.r#type() != HistoryEventType::PassStateExited {
        return None;
    }
    let left = event.state_exited_event_details().filter(|left| left.name() == STEP)?;
    let id = serde_json::from_str(left.output()?).ok()?;
    Some(RunStep { id, at: moment(event.timestamp()) })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::StateExitedEventDetails;
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(kind: HistoryEventType, state: &str, output: &str) -> HistoryEvent {
        let left = StateExitedEventDetails::builder().name(state).output(output).build().unwrap();
        let event = HistoryEvent::builder().timestamp(DateTime::from_millis(1_500)).id(1).r#type(kind);
        event.state_exited_event_details(left).build().unwrap()
    }

    #[test]
    fn leaving_the_step_state_is_a_step_taken() {
        let taken = step(&event(HistoryEventType::PassStateExited, "Step", "\"mail\"")).unwrap();
        assert_eq!((taken.id.as_str(), taken.at.as_millisecond()), ("mail", 1500));
    }

    #[test]
    fn other_events_take_no_step() {
        assert_eq!(step(&event(HistoryEventType::PassStateExited, "Other", "\"mail\"")), None);
        assert_eq!(step(&event(HistoryEventType::MapStateExited, "Step", "\"mail\"")), None);
        assert_eq!(step(&event(HistoryEventType::PassStateExited, "Step", "{}")), None);
    }
}
