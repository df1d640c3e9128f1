//! What is started by the clock: one message for each workflow that has a schedule, which puts the next one when it comes round.

use jiff::{ToSpan as _, Zoned, tz::TimeZone};
use sendoff_events::{Envelope, EventId, Header, Origin, Timestamp, WorkflowPublished, WorkflowRequested, at_millis};
use sendoff_producers::model::TriggerKind;
use sendoff_workflows::{
    Plan,
    plan::{Schedule as Times, Trigger},
};
use sha2::{Digest as _, Sha256};

use super::{KICKOFF, Kickoff};
use crate::{Classify as _, Context, HandlerError, NewMessage, Schedule, TENANT_ATTRIBUTE, workflows::judge};

impl Kickoff {
    /// A version was published: puts its first message, or takes back that of the version before.
    pub(super) async fn schedule(
        &self,
        header: &Header,
        data: &WorkflowPublished,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let WorkflowPublished { app_id, workflow, version } = data;
        let plan = judge(self.plans.of(&header.tenant, app_id, workflow, *version).await)?;
        let request = WorkflowRequested {
            app_id: app_id.clone(),
            workflow: workflow.clone(),
            submission_id: None,
            requested_by: None,
            scheduled_by: Some(*version),
        };
        if self.is_active(header, &request, *version).await? {
            return self.put(header, request, next(&plan, cx.now()), cx).await;
        }
        // Told late: another version was published since, and has its own message; or the workflow has no schedule.
        let scheduled = self.waiting(TriggerKind::Schedule, header, app_id).await?;
        if !scheduled.iter().any(|other| other.name == *workflow) {
            self.schedules.cancel(&name(header, &request)).await.or_snooze()?;
        }
        Ok(())
    }

    /// Its time has come: starts a run, and puts the message for the next time.
    pub(super) async fn came_round(
        &self,
        header: &Header,
        data: &WorkflowRequested,
        version: u32,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let waiting = self.waiting(TriggerKind::Schedule, header, &data.app_id).await?;
        let is_it = |active: &&sendoff_producers::model::ActiveWorkflow| {
            active.name == data.workflow && active.version == version
        };
        // Of another version, or off: then this was the last time.
        let Some(active) = waiting.iter().find(is_it) else { return Ok(()) };
        let plan = judge(self.plans.of(&header.tenant, &data.app_id, &data.workflow, version).await)?;
        // The next one first: a run that can't be started now mustn't be the last.
        self.put(header, data.clone(), next(&plan, cx.now().max(header.first_published)), cx).await?;
        self.start(TriggerKind::Schedule, header, &data.app_id, active, None, cx).await.map(drop)
    }

    async fn is_active(&self, header: &Header, data: &WorkflowRequested, version: u32) -> Result<bool, HandlerError> {
        let waiting = self.waiting(TriggerKind::Schedule, header, &data.app_id).await?;
        Ok(waiting.iter().any(|active| active.name == data.workflow && active.version == version))
    }

    /// Puts the message for this time. Put again it is the same one, down to the event's id, so that no time counts twice.
    async fn put(
        &self,
        header: &Header,
        request: WorkflowRequested,
        due: Option<Timestamp>,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let Some(due) = due else { return Ok(()) };
        let name = name(header, &request);
        let origin = Origin {
            source: "/sendoff/workflows".into(),
            tenant: header.tenant.clone(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let mut envelope = Envelope::new(request, origin, None, &**cx.clock(), &**cx.rng());
        envelope.header.id = event_id(&name, envelope.data.scheduled_by, due);
        envelope.header.correlation = envelope.header.id.to_string();
        envelope.header.time = due;
        envelope.header.first_published = due;
        let event = envelope.encode().or_reject("unwritable")?;
        let attributes = [("type", event.event_type.to_string()), (TENANT_ATTRIBUTE, event.tenant.to_string())];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        let message = NewMessage { body: event.body, attributes, ..NewMessage::default() };
        self.schedules.put(&Schedule { name, due, queue: KICKOFF.into(), message }).await.or_snooze()
    }
}

/// What the workflow's message is called while it waits.
fn name(header: &Header, data: &WorkflowRequested) -> String {
    format!("workflow/{}/{}/{}", header.tenant, data.app_id, data.workflow)
}

/// The id of the event that says that this time has come: a UUID version 8 (RFC 9562) of what tells it from all others.
fn event_id(name: &str, version: Option<u32>, due: Timestamp) -> EventId {
    let digest = Sha256::digest(format!("{name}/{}/{}", version.unwrap_or(0), due.as_millisecond()));
    let mut bytes: [u8; 16] = std::array::from_fn(|n| digest[n]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes)
}

/// The first time after `after` at which a trigger of the plan goes off.
fn next(plan: &Plan, after: Timestamp) -> Option<Timestamp> {
    let times = plan.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Schedule(times) => next_of(times, after),
        _ => None,
    });
    times.min()
}

fn next_of(times: &Times, after: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(&times.zone).ok()?;
    let today = after.to_zoned(zone.clone()).date();
    // A week and a day: today's time may be over, or be left out by a change of the clocks.
    let days = (0..=8).filter_map(|n| today.checked_add(n.days()).ok());
    let wanted = days.filter(|day| times.days[day.weekday().to_monday_zero_offset() as usize]);
    let (hour, minute) = (i8::try_from(times.minute / 60).ok()?, i8::try_from(times.minute % 60).ok()?);
    // A time that a change of the clocks leaves out is as much later; of one that comes twice the first counts.
    let moments = wanted.filter_map(|day| day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok());
    moments.map(|moment: Zoned| at_millis(moment.timestamp())).find(|moment| *moment > after)
}
