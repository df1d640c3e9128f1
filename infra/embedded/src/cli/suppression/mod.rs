//! `sendoff suppression`: the addresses to which nothing is sent any more, and taking one of them back. Works beside the process
//! that serves the data, or beside a deployment on AWS.

mod args;
#[cfg(feature = "aws")]
mod on_aws;

use std::sync::Arc;

pub(crate) use args::Suppression;
use args::{Lift, SuppressionCommand};
use sendoff_consumers::{Audit, AuditNote};
use sendoff_embedded::{
    Store, StoreOptions,
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::{Clock as _, at_millis};
use sendoff_host::SystemClock;
use sendoff_producers::{
    CommitError, Expected, Record, RecordKey, Records, UnitOfWork, Write,
    model::{Stored as _, Suppression as Entry, SuppressionReason, decode, deployment, load},
};
use serde::Serialize;

use super::{
    args::{Backend, Output, TextOrJson},
    reading,
};

/// How many are read at once.
const PAGE: usize = 500;
/// How often it is tried again when somebody else writes the entry at the same time.
const TRIES: u32 = 5;
/// Who changed the record, as the changes tell it. Who it was stands in the audit.
const ACTOR: &str = "operator";

/// A suppression as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    channel: String,
    /// A hash of the address.
    address_sha256: String,
    reason: SuppressionReason,
    since: String,
    /// Who told of it.
    source: String,
}

/// What was done about a suppression, or would be.
#[derive(Debug, Serialize)]
struct Report<'a> {
    suppression: &'a Row,
    /// Nobody yet, where it is only looked at.
    by: Option<&'a str>,
    because: Option<&'a str>,
    /// Whether it was done, or only would be.
    done: bool,
    what: &'static str,
}

/// Where suppressions are kept, and what was done about them.
struct Books {
    records: Arc<dyn Records>,
    audit: Arc<dyn Audit>,
}

pub(super) async fn run(config: &Config, args: Suppression) -> Result<Exit, Stopped> {
    if let SuppressionCommand::Lift(what) = &args.what {
        // What is wrong with the address is told before anything is opened.
        what.key()?;
    }
    match args.backend {
        Backend::Embedded if args.what.writes() => {
            let store = Store::open_beside(&config.settings.data, StoreOptions::default())?;
            let ended = carry_out(&Books::of(&store), args.what).await;
            store.shutdown().await;
            ended
        }
        Backend::Embedded => carry_out(&Books::of(&reading::open(config)?), args.what).await,
        Backend::Aws => on_aws(args.what).await,
    }
}

#[cfg(feature = "aws")]
async fn on_aws(what: SuppressionCommand) -> Result<Exit, Stopped> {
    carry_out(&on_aws::open(&what).await?, what).await
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_: SuppressionCommand) -> Result<Exit, Stopped> {
    Err(super::backend::not_built("suppression"))
}

async fn carry_out(books: &Books, what: SuppressionCommand) -> Result<Exit, Stopped> {
    match what {
        SuppressionCommand::Ls { output } => list(&books.all().await?, output),
        SuppressionCommand::Lift(what) => lift(books, &what).await,
    }
}

fn list(rows: &[Row], output: Output) -> Result<Exit, Stopped> {
    match output {
        Output::Table if rows.is_empty() => {}
        Output::Table => print::data(table(rows))?,
        Output::Json => print::json(&rows)?,
        Output::Ndjson => rows.iter().try_for_each(print::json_line)?,
    }
    match rows.len() {
        0 => print::prose("nothing is suppressed"),
        some => print::prose(format_args!(
            "{some} suppressed. `sendoff suppression lift CHANNEL ADDRESS` says whether an address is among them, and why"
        )),
    }
    Ok(Exit::Done)
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let reason = word(row.reason).to_owned();
        let short: String = row.address_sha256.chars().take(16).collect();
        [row.channel.clone(), short, reason, print::one_line(&row.since), print::one_line(&row.source)]
    };
    print::table(["CHANNEL", "ADDRESS (HASH)", "REASON", "SINCE", "TOLD BY"], rows.iter().map(cells))
}

async fn lift(books: &Books, what: &Lift) -> Result<Exit, Stopped> {
    let key = what.key()?;
    let Some(row) = books.one(&key).await? else { return Err(not_suppressed()) };
    let because = what.because.as_deref();
    let report = |done, text| Report { suppression: &row, by: what.by.as_deref(), because, done, what: text };
    if !what.yes {
        tell(&report(false, "messages would go to this address again"), what.output)?;
        print::prose("nothing was done; add --yes and --because TEXT to do it");
        return Ok(Exit::Done);
    }
    if !books.lift(&key).await? {
        return Err(not_suppressed());
    }
    let note = AuditNote {
        who: what.by.clone().unwrap_or_default(),
        action: "suppression-lift".into(),
        event: None,
        target: key.to_string(),
        because: because.unwrap_or_default().into(),
    };
    let audited = books.audit.append(&note).await;
    tell(&report(true, "messages go to this address again; what was left out before is not sent"), what.output)?;
    match audited {
        Ok(_) => Ok(Exit::Done),
        Err(error) => {
            let why = format!("it is lifted, but who did it and why could not be kept for `doubt audit`: {error}");
            Err(Stopped::new(Exit::Partly, why))
        }
    }
}

fn not_suppressed() -> Stopped {
    Stopped::new(Exit::NothingMatched, "this address isn't suppressed on this channel; on others it may be")
}

fn tell(report: &Report<'_>, output: TextOrJson) -> Result<(), Stopped> {
    if output == TextOrJson::Json {
        return Ok(print::json(report)?);
    }
    let Report { suppression: row, by, because, what, .. } = report;
    let (since, source) = (print::one_line(&row.since), print::one_line(&row.source));
    let [because, by] = [because, by].map(|text| text.map_or_else(|| "-".into(), print::one_line));
    Ok(print::data(format_args!(
        "{} {}\nsuppressed since {since}, told by {source}: {}\ndecided by {by}: {because}\n{what}\n",
        row.channel,
        row.address_sha256,
        meaning(row.reason),
    ))?)
}

const fn word(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Stopped => "stopped",
        SuppressionReason::Bounced => "bounced",
        SuppressionReason::Complained => "complained",
    }
}

/// Why it is suppressed, and what to think of before it is lifted.
const fn meaning(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Stopped => {
            "its owner wrote STOP, or the provider refused it. Lift it only if its owner wishes; the provider may keep a list of its own"
        }
        SuppressionReason::Bounced => {
            "there was no such mailbox. Once there is one, lift it: another bounce suppresses it again"
        }
        SuppressionReason::Complained => {
            "its owner complained. Lift it only if they wish; the provider may keep a list of its own"
        }
    }
}

impl Books {
    fn of(store: &Store) -> Self {
        Self { records: store.records(), audit: store.audit() }
    }

    /// Every suppression that holds, by channel.
    async fn all(&self) -> Result<Vec<Row>, Stopped> {
        let (tenant, mut rows, mut after) = (deployment(), Vec::new(), None::<String>);
        loop {
            let listed = self.records.list(&tenant, Entry::COLLECTION, "", after.as_deref(), PAGE).await;
            let page = listed.map_err(unreachable)?;
            for record in page.records {
                rows.extend(row(record)?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The suppression under a key, if it holds.
    async fn one(&self, key: &RecordKey) -> Result<Option<Row>, Stopped> {
        match self.records.get(key).await.map_err(unreachable)? {
            Some(record) => row(record),
            None => Ok(None),
        }
    }

    /// Lifts the suppression; gives whether there was one. Its record stays, so that an older wish that comes late is known to be
    /// over.
    async fn lift(&self, key: &RecordKey) -> Result<bool, Stopped> {
        for _ in 0..TRIES {
            let found = load::<Entry>(&*self.records, key).await.map_err(unreachable)?;
            let Some((entry, version)) = found.filter(|(entry, _)| entry.holds()) else { return Ok(false) };
            let at = at_millis(SystemClock.now());
            let lifted = Entry { at: at.to_string(), source: ACTOR.into(), lifted: true, ..entry };
            let data = serde_json::to_value(&lifted).map_err(Stopped::failed)?;
            let work = UnitOfWork::new(deployment(), ACTOR, at)
                .write(Write { key: key.clone(), expected: Expected::Version(version), data: Some(data) })
                .without_events();
            match self.records.commit(work).await {
                Ok(_) => return Ok(true),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(unreachable(error)),
            }
        }
        Err(Stopped::new(Exit::Refused, "somebody else keeps writing this suppression: try again in a minute"))
    }
}

/// The record as it is shown, if nothing may be sent.
fn row(record: Record) -> Result<Option<Row>, Stopped> {
    let id = record.key.id.clone();
    let (channel, hash) = id.split_once('/').unwrap_or_default();
    let (entry, _) = decode::<Entry>(record).map_err(unreachable)?;
    let Entry { reason, at: since, source, .. } = entry.clone();
    let row = Row { channel: channel.to_owned(), address_sha256: hash.to_owned(), reason, since, source };
    Ok(entry.holds().then_some(row))
}

fn unreachable(error: impl std::fmt::Display) -> Stopped {
    Stopped::new(Exit::Unreachable, error)
}
