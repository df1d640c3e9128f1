//! `sendoff demo`: the whole chain for real, and a report in which every number was measured.

mod client;
mod collect;
mod fate;
#[cfg(feature = "aws")]
mod on_aws;
mod on_embedded;
mod report;
mod scenario;
mod show;
mod webhook;

use std::net::SocketAddr;

use client::Client;
use fate::Ledger;
use report::{MailReport, MessageReport, Report};
use sendoff_embedded::{
    config::{Config, ConfigFile, Inputs, Mail},
    program::{
        Exit, Stopped,
        print::{data, json, prose},
    },
    sink::{Mailbox, Messages},
};
use sendoff_events::{EventId, TenantId};
use sendoff_host::{SystemClock, SystemRng};

use super::args::{Backend, Demo as DemoArgs, TableOrJson};

/// What the demo is configured by: flags only, so that nothing of the real system gets in and no mail out. Just what is
/// logged may be set by the environment too, and by default nothing is: the report says it all.
pub(crate) fn inputs(given: Inputs) -> Inputs {
    let Inputs { mut flags, mut variables, file } = given;
    variables.retain(|name, _| name.starts_with("SENDOFF_LOG_"));
    variables.entry("SENDOFF_LOG_LEVEL".into()).or_insert_with(|| "off".into());
    // First, so that a flag of the caller's beats it.
    flags.insert(0, ("demo".into(), "listen".into(), "127.0.0.1:0".into()));
    let file = if file == ConfigFile::Usual { ConfigFile::Nothing } else { file };
    Inputs { flags, variables, file }
}

/// Starts the system, makes the requests of the scenario, waits until every consumer is done with every event, and reports.
pub(crate) async fn run(mut config: Config, args: &DemoArgs, keep: bool) -> Result<Exit, Stopped> {
    if args.keep && args.backend == Backend::Embedded {
        let why = "--keep is for `--backend aws`; here, what is kept stays in the folder that --data names";
        return Err(Stopped::new(Exit::Usage, why));
    }
    if let Mail::Servers { first, .. } = &config.mail {
        let why = format!("the demo keeps all mail on this machine: run it without `smtp.url` ({})", first.url);
        return Err(Stopped::new(Exit::Refused, why));
    }
    // The folder is removed when this is dropped.
    let temporary = if keep { None } else { Some(tempfile::tempdir().map_err(Stopped::failed)?) };
    if let Some(folder) = &temporary {
        config.settings.data = folder.path().to_owned();
    }
    if !config.channels.sink {
        let why = "the demo keeps all messages on this machine: run it without settings of providers";
        return Err(Stopped::new(Exit::Refused, why));
    }
    let (mailbox, messages) = (Mailbox::of(&config.settings.data), Messages::of(&config.settings.data));
    let before = mailbox.list().map_err(Stopped::failed)?.len();
    let messages_before = messages.list(None).map_err(Stopped::failed)?.len();
    let mut report = match args.backend {
        Backend::Embedded => on_embedded::play(&config, args.poison).await?,
        Backend::Aws => on_aws(&config, args).await?,
    };
    report.mails = mails(&mailbox, before)?;
    report.messages = received(&messages, messages_before)?;
    match args.output {
        TableOrJson::Json => json(&report)?,
        TableOrJson::Table => data(show::page(&report))?,
    }
    if keep && args.backend == Backend::Embedded {
        let folder = config.settings.data.display();
        prose(format_args!("The data stays in {folder}: try `sendoff --data {folder} trace` with an id from above."));
    }
    Ok(report.exit(args.poison))
}

#[cfg(feature = "aws")]
async fn on_aws(config: &Config, args: &DemoArgs) -> Result<Report, Stopped> {
    on_aws::play(config, args.poison, args.keep).await
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_: &Config, _: &DemoArgs) -> Result<Report, Stopped> {
    Err(super::backend::not_built("demo"))
}

/// The requests of the scenario, made to the API at `address`, and what became of them.
async fn tell(address: SocketAddr, ledger: &dyn Ledger, poison: u16) -> Result<Report, Stopped> {
    let mut client = Client::connect(address, tenant()?)?;
    scenario::play(&mut client, ledger, poison).await?;
    collect::report(&client, ledger).await
}

/// The mails that were received after the first `before`, in an order that doesn't depend on who was faster.
fn mails(mailbox: &Mailbox, before: usize) -> Result<Vec<MailReport>, Stopped> {
    let received = mailbox.list().map_err(Stopped::failed)?;
    let mut mails: Vec<_> = received
        .into_iter()
        .skip(before)
        .map(|mail| MailReport { to: mail.to.join(", "), subject: mail.subject })
        .collect();
    mails.sort();
    Ok(mails)
}

/// The other messages that were received after the first `before`, in an order that doesn't depend on who was faster.
fn received(messages: &Messages, before: usize) -> Result<Vec<MessageReport>, Stopped> {
    let received = messages.list(None).map_err(Stopped::failed)?.into_iter().skip(before);
    let mut received: Vec<_> = received.map(|m| MessageReport { channel: m.channel, to: m.to, text: m.text }).collect();
    received.sort();
    Ok(received)
}

/// A tenant of its own for each run, so that runs in the same folder don't meet.
fn tenant() -> Result<TenantId, Stopped> {
    let id = EventId::generate(&SystemClock, &SystemRng::new());
    format!("demo-{id}").parse().map_err(Stopped::failed)
}
