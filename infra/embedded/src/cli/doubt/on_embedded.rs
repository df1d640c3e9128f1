//! The doubts of a data folder.

use sendoff_consumers::{AuditEntry, AuditNote, DeliveryId, action::is_call};
use sendoff_embedded::{
    Decision, DoubtMessage, OpenDoubt, Settled, Store, StoreOptions,
    config::Config,
    program::{Exit, Stopped},
};

use super::{Books, Came, Line, RUN, Row};
use crate::cli::reading;

/// A data folder.
pub(super) struct OnEmbedded(Store);

impl OnEmbedded {
    /// The configured one, beside the process that serves it, or without one.
    pub(super) fn open(config: &Config, writes: bool) -> Result<Self, Stopped> {
        if writes {
            return Ok(Self(Store::open_beside(&config.settings.data, StoreOptions::default())?));
        }
        reading::open(config).map(Self)
    }
}

impl Books for OnEmbedded {
    async fn doubts(&self) -> Result<Vec<Row>, Stopped> {
        Ok(self.0.doubts().await?.into_iter().map(row).collect())
    }

    async fn doubt(&self, id: &DeliveryId) -> Result<Option<Row>, Stopped> {
        Ok(self.0.doubt(id).await?.map(row))
    }

    async fn settle(self, decision: Decision) -> Result<Came, Stopped> {
        let settled = self.0.settle_doubt(decision).await?;
        self.0.shutdown().await;
        Ok(match settled {
            Settled::GoesOn => Came::GoesOn,
            Settled::OthersWait => Came::OthersWait,
            Settled::NoMessage => Came::NoMessage,
            Settled::NotInDoubt => Came::NotInDoubt,
        })
    }

    async fn audit(&self) -> Result<Vec<Line>, Stopped> {
        let entries = self.0.audit().entries(0, usize::MAX).await;
        let entries = entries.map_err(|error| Stopped::new(Exit::Unreachable, error))?;
        Ok(entries.into_iter().map(line).collect())
    }
}

fn row(doubt: OpenDoubt) -> Row {
    let OpenDoubt { id, event, provider, since, attempts, reason, news, message, tried_again } = doubt;
    let (message, until) = match message {
        DoubtMessage::Waits { until } => ("waiting", Some(until)),
        DoubtMessage::Running { until } => ("running", Some(until)),
        DoubtMessage::DeadLettered => ("dead-lettered", None),
        DoubtMessage::Gone if is_call(&id) => (RUN, None),
        DoubtMessage::Gone => ("gone", None),
    };
    Row {
        channel: id.key.consumer().to_owned(),
        recipient: id.step.clone(),
        event: id.event(),
        r#type: event.as_ref().map(|event| event.event_type.clone()),
        tenant: event.map(|event| event.tenant.to_string()),
        id: id.to_string(),
        provider,
        since,
        attempts,
        reason,
        news,
        message,
        until,
        tried_again,
    }
}

fn line(entry: AuditEntry) -> Line {
    let AuditEntry { at, note: AuditNote { who, action, target, because, .. }, .. } = entry;
    Line { at, who, action, target, because }
}
