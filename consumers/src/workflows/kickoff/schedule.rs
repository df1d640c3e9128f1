//! What is started by the clock: of each workflow that has a schedule there is a message for its next time, which puts the one after
//! it when it comes round.

use jiff::{SignedDuration, ToSpan as _, Zoned, tz::TimeZone};
use sendoff_events::{
    AppId, Envelope, EventId, Header, Origin, Timestamp, WorkflowId, WorkflowPublished, WorkflowRequested, at_millis,
};
use sendoff_producers::model::{ActiveWorkflow, TriggerKind};
use sendoff_workflows::{
    Plan,
    plan::{Schedule as Times, Trigger},
};
use sha2::{Digest as _, Sha256};

use super::{KICKOFF, Kickoff};
use crate::{Classify as _, Context, HandlerError, NewMessage, Schedule, TENANT_ATTRIBUTE, workflows::judge};

/// As exact as times are.
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);

impl Kickoff {
    /// A version was published: puts its first message. Those of the versions before stay, each of a time of its own.
    pub(super) async fn schedule(
        &self,
        header: &Header,
        data: &WorkflowPublished,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let WorkflowPublished { app_id, workflow, version } = data;
        // Told late: another version was published since, and has its own message; or the workflow has no schedule.
        let active = self.scheduled(header, app_id, workflow).await?;
        if active.is_none_or(|active| active.version != *version) {
            return Ok(());
        }
        let plan = judge(self.plans.of(&header.tenant, app_id, workflow, *version).await)?;
        let request = WorkflowRequested {
            app_id: app_id.clone(),
            workflow: workflow.clone(),
            submission_id: None,
            requested_by: None,
            scheduled_by: Some(*version),
        };
        self.put(header, request, next(&plan, cx.now()), cx).await
    }

    /// A time has come: puts the message for the next one, and starts a run. A version that was published since goes on with the
    /// times of the one before, and starts a run at those that it has too: none is lost because it was due just then.
    pub(super) async fn came_round(
        &self,
        header: &Header,
        data: &WorkflowRequested,
        version: u32,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let WorkflowRequested { app_id, workflow, .. } = data;
        // It is off, or has no schedule any more: then this was the last time.
        let Some(active) = self.scheduled(header, app_id, workflow).await? else { return Ok(()) };
        let plan = judge(self.plans.of(&header.tenant, app_id, workflow, active.version).await)?;
        let request = WorkflowRequested { scheduled_by: Some(active.version), ..data.clone() };
        // The next one first: a run that can't be started now mustn't be the last.
        self.put(header, request.clone(), next(&plan, cx.now().max(header.time)), cx).await?;
        if active.version != version && !has(&plan, header.time) {
            return cx.skip(workflow.as_str(), "the version that was published since has another time").map(drop);
        }
        // The run is named after the time, not after the message: should two versions, or two builds, have put one, they start one.
        let at = Header { id: event_id(&name(header, &request, header.time)), ..header.clone() };
        self.start(TriggerKind::Schedule, &at, app_id, &active, None, cx).await.map(drop)
    }

    /// The workflow as it is now, if it is on and has a schedule.
    async fn scheduled(
        &self,
        header: &Header,
        app: &AppId,
        workflow: &WorkflowId,
    ) -> Result<Option<ActiveWorkflow>, HandlerError> {
        let scheduled = self.waiting(TriggerKind::Schedule, header, app).await?;
        Ok(scheduled.into_iter().find(|active| active.name == *workflow))
    }

    /// Puts the message for this time. Put again, by whichever version, it takes the place of the one before, so that no time counts
    /// twice; and it takes the place of no other, which may be due and on its way.
    async fn put(
        &self,
        header: &Header,
        request: WorkflowRequested,
        due: Option<Timestamp>,
        cx: &Context,
    ) -> Result<(), HandlerError> {
        let Some(due) = due else { return Ok(()) };
        let name = name(header, &request, due);
        let id = event_id(&format!("{name}/{}", request.scheduled_by.unwrap_or(0)));
        let origin = Origin {
            source: "/sendoff/workflows".into(),
            tenant: header.tenant.clone(),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        let mut envelope = Envelope::new(request, origin, None, &**cx.clock(), &**cx.rng());
        envelope.header.id = id;
        envelope.header.correlation = envelope.header.id.to_string();
        envelope.header.time = due;
        envelope.header.first_published = due;
        let event = envelope.encode().or_reject("unwritable")?;
        let attributes = [("type", event.event_type().to_string()), (TENANT_ATTRIBUTE, event.tenant().to_string())];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        let message = NewMessage { body: event.into_body(), attributes, ..NewMessage::default() };
        self.schedules.put(&Schedule { name, due, queue: KICKOFF.into(), message }).await.or_snooze()
    }
}

/// What the message for a time is called while it waits.
fn name(header: &Header, request: &WorkflowRequested, due: Timestamp) -> String {
    format!("workflow/{}/{}/{}/{due}", header.tenant, request.app_id, request.workflow)
}

/// A UUID version 8 (RFC 9562) of what tells a time, or the event that says that it has come, from all others.
fn event_id(name: &str) -> EventId {
    let digest = Sha256::digest(name);
    let mut bytes: [u8; 16] = std::array::from_fn(|n| digest[n]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    EventId::from_bytes(bytes)
}

/// Whether a trigger of the plan goes off at this time.
fn has(plan: &Plan, time: Timestamp) -> bool {
    time.checked_sub(MILLISECOND).is_ok_and(|before| next(plan, before) == Some(time))
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
