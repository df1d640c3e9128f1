//! The demo over one file of this machine.

use std::{sync::Arc, time::Duration};

use sendoff_consumers::{Consumer, Workflows};
use sendoff_embedded::{EventSummary, Store, System, config::Config, program::Stopped, sink::SinkAccounts};
use sendoff_events::{BoxFuture, EventId, TenantId};
use sendoff_host::SystemRng;

use super::{
    fate::{Fate, Ledger, Pace, Standing, steps, told},
    report::Report,
    tell, webhook,
};
use crate::cli::outcome::{Outcome, of_event};

struct OnEmbedded {
    store: Store,
    sink: Option<SinkAccounts>,
    consumers: Vec<Arc<Consumer>>,
}

/// Runs the system, plays the story on it, and reports.
pub(super) async fn play(config: &Config, poison: u16) -> Result<Report, Stopped> {
    let mut system = System::start(config).await?;
    let (store, consumers) = (system.store().clone(), system.consumers().to_vec());
    let ledger = OnEmbedded { store, sink: system.sink().cloned(), consumers };
    let address = system.address();
    let told = tokio::select! {
        report = tell(address, &ledger, poison) => report,
        failure = system.failed() => Err(failure.into()),
    };
    system.shutdown().await?;
    told
}

impl Ledger for OnEmbedded {
    fn fate(&self, event: EventId) -> BoxFuture<'_, Result<Option<Fate>, Stopped>> {
        Box::pin(async move {
            let Some(found) = self.store.event(event).await? else { return Ok(None) };
            let outcomes = of_event(&self.store, event).await?;
            let standings = outcomes.into_iter().map(|outcome| standing(outcome, &found.summary)).collect();
            let event_type = found.summary.event_type.parse().map_err(Stopped::failed)?;
            Ok(Some(Fate { id: event, event_type, standings }))
        })
    }

    fn does_steps(&self) -> bool {
        true
    }

    fn workflows(&self) -> Arc<dyn Workflows> {
        self.store.workflows(Arc::new(SystemRng::new()))
    }

    fn consumers(&self) -> &[Arc<Consumer>] {
        &self.consumers
    }

    fn add_webhook<'a>(&'a self, tenant: &'a TenantId, app: &'a str) -> BoxFuture<'a, Result<bool, Stopped>> {
        Box::pin(async move {
            match &self.sink {
                Some(sink) => webhook::add(&*self.store.records(), sink, tenant, app).await.map(|()| true),
                None => Ok(false),
            }
        })
    }

    fn pace(&self) -> Pace {
        Pace { patience: Duration::from_secs(60), tick: Duration::from_millis(10) }
    }
}

fn standing(outcome: Outcome, event: &EventSummary) -> Standing {
    let latency = outcome.latency(event);
    let (told, steps) = (told(outcome.record.as_ref()), steps(outcome.record.as_ref()));
    let Outcome { consumer, state, attempts, .. } = outcome;
    Standing { consumer, state, attempts, latency, told, steps }
}
