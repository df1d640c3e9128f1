//! The doubts of a deployment on AWS.

use std::{sync::Arc, time::Duration};

use sendoff_aws::{
    Aws, Decision as OnAwsDecision, Environment, SettleError, Settled, Store,
    settings::{Need, Settings, environment},
    worker::WorkerError,
};
use sendoff_consumers::{
    AuditEntry, AuditNote, DeliveryId, InboxRecord, ResolveError, Status, Step, StepState, action,
};
use sendoff_embedded::{
    Decision,
    program::{Exit, Stopped},
};
use sendoff_host::{SystemClock, SystemRng};

use super::{Books, Came, Line, RUN, Row};
use crate::cli::args::DoubtCommand;

/// The most jobs in doubt that are shown.
const MOST: usize = 10_000;

/// A deployment.
pub(super) struct OnAws {
    store: Store,
    keep: Duration,
}

impl OnAws {
    /// The one that the environment names, by the variables that its worker takes.
    pub(super) async fn open(what: &DoubtCommand) -> Result<Self, Stopped> {
        let needs: &[Need] = match what {
            DoubtCommand::Resolve(what) if what.yes => &[Need::InboxTable, Need::Queues, Need::Bucket],
            _ => &[Need::InboxTable],
        };
        let settings = Settings::read(environment(), needs)?;
        let aws = Aws::load(Environment::of(environment())).await.map_err(WorkerError::from)?;
        let store = Store::new(aws, settings.resources(), Arc::new(SystemClock), Arc::new(SystemRng::new()));
        Ok(Self { store, keep: settings.inbox_keep })
    }

    /// The steps of a record that are in doubt.
    async fn rows(&self, record: &InboxRecord) -> Result<Vec<Row>, Stopped> {
        let deliveries = self.store.deliveries(self.keep);
        let mut rows = Vec::new();
        for (name, step) in record.steps.iter().filter(|(_, step)| step.state == StepState::InDoubt) {
            let id = DeliveryId::new(record.key.clone(), name);
            let news = deliveries.get(&id).await.map_err(unreachable)?;
            rows.push(Row { news, ..row(id, record, step) });
        }
        Ok(rows)
    }
}

impl Books for OnAws {
    async fn doubts(&self) -> Result<Vec<Row>, Stopped> {
        let mut rows = Vec::new();
        for record in self.store.doubts(None, MOST).await.map_err(unreachable)? {
            rows.extend(self.rows(&record).await?);
        }
        Ok(rows)
    }

    async fn doubt(&self, id: &DeliveryId) -> Result<Option<Row>, Stopped> {
        let Some(record) = self.store.inbox().get(&id.key).await.map_err(unreachable)? else { return Ok(None) };
        let wanted = id.to_string();
        Ok(self.rows(&record).await?.into_iter().find(|row| row.id == wanted))
    }

    async fn settle(self, decision: Decision) -> Result<Came, Stopped> {
        let Decision { id, resolution, who, because } = decision;
        let settled = self.store.settle_doubt(&OnAwsDecision { id, resolution, who, because }).await;
        Ok(match settled.map_err(stopped)? {
            Settled::GoesOn => Came::GoesOn,
            Settled::OthersWait => Came::OthersWait,
            Settled::NoDeadLetter => Came::NoDeadLetter,
            Settled::NotInDoubt => Came::NotInDoubt,
        })
    }

    async fn audit(&self) -> Result<Vec<Line>, Stopped> {
        let entries = self.store.audit().entries(0, usize::MAX).await.map_err(unreachable)?;
        Ok(entries.into_iter().map(line).collect())
    }
}

fn row(id: DeliveryId, record: &InboxRecord, step: &Step) -> Row {
    let is_call = action::is_call(&id);
    Row {
        channel: id.key.consumer().to_owned(),
        recipient: id.step.clone(),
        event: id.event(),
        // These stand in the event, which the inbox doesn't have.
        r#type: None,
        tenant: None,
        id: id.to_string(),
        provider: step.provider.clone(),
        since: step.at,
        attempts: record.attempts,
        reason: step.reason.clone(),
        news: None,
        // Whoever receives a message hides it from its consumer.
        message: if is_call { RUN } else { "unknown" },
        until: None,
        tried_again: record.status == Status::Claimed,
    }
}

fn line(entry: AuditEntry) -> Line {
    let AuditEntry { at, note: AuditNote { who, action, target, because, .. }, .. } = entry;
    Line { at, who, action, target, because }
}

fn stopped(error: SettleError) -> Stopped {
    let exit = match &error {
        SettleError::Resolve(ResolveError::Unknown(_)) => Exit::NothingMatched,
        SettleError::Resolve(ResolveError::Busy(_)) => Exit::Refused,
        SettleError::Resolve(ResolveError::Inbox(_)) | SettleError::Letters(_) => Exit::Unreachable,
        SettleError::NotAudited(_) | SettleError::NotMoved { .. } => Exit::Partly,
    };
    Stopped::new(exit, error)
}

fn unreachable(error: impl std::fmt::Display) -> Stopped {
    Stopped::new(Exit::Unreachable, error)
}
