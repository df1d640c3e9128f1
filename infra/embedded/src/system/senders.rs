//! Everything that sends, and the servers inside the process that it may send to.

use std::sync::Arc;

use sendoff_consumers::channels::{Provider, email::Mail};
use sendoff_host::Phase;

use super::{
    SystemError, mail,
    providers::{self, Guards, Providers},
};
use crate::{
    config::Config,
    sink::{HttpSink, Messages, SinkAccounts},
};

/// Who sends what.
pub(super) struct Senders {
    pub(super) mail: Arc<dyn Provider<Mail>>,
    pub(super) others: Providers,
    /// The providers inside the process, if messages go to them.
    pub(super) sink: Option<SinkAccounts>,
}

/// Where the providers inside the process listen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Where they did the last time. That is written down, for whoever serves the data folder.
    Kept,
    /// Anywhere: only this process knows of them.
    Any,
}

/// The configured senders. Servers inside the process that they send to run in `servers`.
pub(super) async fn start(
    config: &Config,
    guards: &Guards,
    servers: &mut Phase,
    port: Port,
) -> Result<Senders, SystemError> {
    let (mail, mail_sink) = mail::route(config, guards).await?;
    if let Some(sink) = mail_sink {
        let stop = servers.stop_signal();
        servers.run("the mail server", async move {
            sink.run(stop).await;
            Ok(())
        });
    }
    let mut sink = None;
    if config.channels.sink {
        let (data, clock, rng) = (&config.settings.data, guards.clock.clone(), guards.rng.clone());
        let server = match port {
            Port::Kept => HttpSink::bind_again(data, clock, rng).await,
            Port::Any => HttpSink::bind(Messages::of(data), clock, rng).await,
        };
        let server = server.map_err(SystemError::Sink)?;
        sink = Some(server.accounts().clone());
        servers.run("the providers inside the process", server.run(servers.stop_signal()));
    }
    let others = providers::all(config, guards, sink.as_ref())?;
    Ok(Senders { mail, others, sink })
}
