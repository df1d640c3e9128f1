//! `sendoff demo`: the whole chain for real, and a report in which every number was measured.

mod client;
mod collect;
mod report;
mod scenario;
mod show;

use client::Client;
use report::{MailReport, Report};
use sendoff_embedded::{
    System,
    config::{Config, ConfigFile, Inputs, Mail},
    sink::Mailbox,
};
use sendoff_events::{EventId, TenantId};
use sendoff_host::{SystemClock, SystemRng};

use sendoff_embedded::program::{
    Exit, Stopped,
    print::{data, json, prose},
};

use super::args::{Demo as DemoArgs, TableOrJson};

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
    if let Mail::Server(server) = &config.mail {
        let why = format!("the demo keeps all mail on this machine: run it without `smtp.url` ({})", server.url);
        return Err(Stopped::new(Exit::Refused, why));
    }
    // The folder is removed when this is dropped.
    let temporary = if keep { None } else { Some(tempfile::tempdir().map_err(Stopped::failed)?) };
    if let Some(folder) = &temporary {
        config.settings.data = folder.path().to_owned();
    }
    let mailbox = Mailbox::of(&config.settings.data);
    let before = mailbox.list().map_err(Stopped::failed)?.len();

    let mut system = System::start(&config).await?;
    let mut client = Client::connect(system.address(), tenant()?)?;
    let (store, consumers) = (system.store().clone(), system.consumers().to_vec());
    let story = async {
        scenario::play(&mut client, args.poison).await?;
        let mut report = collect::report(&client, &store, &consumers).await?;
        report.mails = mails(&mailbox, before)?;
        Ok(report)
    };
    let told: Result<Report, Stopped> = tokio::select! {
        report = story => report,
        failure = system.failed() => Err(failure.into()),
    };
    system.shutdown().await?;
    let report = told?;
    match args.output {
        TableOrJson::Json => json(&report)?,
        TableOrJson::Table => data(show::page(&report))?,
    }
    if keep {
        let folder = config.settings.data.display();
        prose(format_args!("The data stays in {folder}: try `sendoff --data {folder} trace` with an id from above."));
    }
    Ok(report.exit(args.poison))
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

/// A tenant of its own for each run, so that runs in the same folder don't meet.
fn tenant() -> Result<TenantId, Stopped> {
    let id = EventId::generate(&SystemClock, &SystemRng::new());
    format!("demo-{id}").parse().map_err(Stopped::failed)
}
