//! `dlq audit`: what people did by hand, and whether anybody changed what was written down of it.

use std::{collections::VecDeque, num::NonZeroUsize, str::FromStr};

use sendoff_consumers::{Audit, AuditDigest, AuditEntry, AuditError, BrokenAudit, check_chain};
use sendoff_embedded::program::print::{one_line, table};
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{Common, Output, stream::Stream};
use crate::{Session, deployment::Access, select::moment, view::second};

/// How many entries are read at a time.
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Checks the whole chain, and prints the digest of its last entry: noted elsewhere, it proves later that none was taken away
    #[arg(long)]
    verify: bool,
    /// Checks also that the entry at this place has this digest, as --verify printed it then
    #[arg(long, value_name = "DIGEST@SEQ")]
    expect: Option<Expected>,
    /// Only what was done at or after this moment, or so long ago
    #[arg(long, value_name = "TIME", conflicts_with_all = ["verify", "expect"])]
    since: Option<String>,
    /// How many entries are shown, the newest ones
    #[arg(long, value_name = "N", default_value = "100", conflicts_with_all = ["verify", "expect"])]
    limit: NonZeroUsize,
}

/// A digest at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    seq: u64,
    digest: AuditDigest,
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write it as --verify prints it: 64 hexadecimal digits, `@`, and the place";
        let (digest, seq) = text.split_once('@').ok_or(rule)?;
        Ok(Self { seq: seq.parse().map_err(|_| rule)?, digest: digest.parse()? })
    }
}

pub(super) async fn run(session: &mut Session, common: &Common, args: Args) -> Result<Exit, Stopped> {
    let now = session.clock.now();
    let since = args.since.as_deref().map(|since| moment("--since", since, now)).transpose()?;
    let deployment = common.open(session, Access::Look).await?;
    if args.verify || args.expect.is_some() {
        return verify(session, common.output, &*deployment.audit, args.expect).await;
    }
    let Newest { entries, all, broken } = newest(&*deployment.audit, since, args.limit.get()).await?;
    list(session, common.output, &entries)?;
    // Whatever is wrong with it, people see what is there first.
    if let Some(broken) = broken {
        return Err(Stopped::failed(changed(broken)));
    }
    if entries.is_empty() {
        session.prose(if all == 0 { "nobody has done anything by hand" } else { "nothing was done since then" });
        return Ok(Exit::NothingMatched);
    }
    session.prose(format_args!(
        "{} of {all}, each of which follows on the one before it; --verify gives the digest that proves later that none was taken away",
        entries.len()
    ));
    Ok(Exit::Done)
}

/// The newest entries.
struct Newest {
    entries: VecDeque<AuditEntry>,
    /// How many there are of all.
    all: u64,
    /// The first entry that doesn't follow on the one before it.
    broken: Option<BrokenAudit>,
}

/// The last `limit` entries since a moment, in their order, with the whole chain checked on the way.
async fn newest(audit: &dyn Audit, since: Option<Timestamp>, limit: usize) -> Result<Newest, Stopped> {
    let mut newest = Newest { entries: VecDeque::new(), all: 0, broken: None };
    let (mut after, mut digest) = (0, AuditDigest::NONE);
    loop {
        let page = audit.entries(after, PAGE).await.map_err(stopped)?;
        let Some(last) = page.last() else { return Ok(newest) };
        if newest.broken.is_none() {
            newest.broken = check_chain(digest, after + 1, &page).err();
        }
        (after, digest) = (last.seq, last.digest);
        newest.all += page.len() as u64;
        newest.entries.extend(page.into_iter().filter(|entry| since.is_none_or(|since| entry.at >= since)));
        newest.entries.drain(..newest.entries.len().saturating_sub(limit));
    }
}

fn list(session: &mut Session, output: Output, entries: &VecDeque<AuditEntry>) -> Result<(), Stopped> {
    let mut stream = Stream::new(output);
    match output {
        Output::Table if entries.is_empty() => {}
        Output::Table => {
            let cells = |entry: &AuditEntry| {
                let note = &entry.note;
                let event = note.event.map_or_else(|| "-".to_owned(), |event| event.to_string());
                let texts = [&note.who, &note.action, &note.target].map(|text| one_line(text));
                let [who, action, target] = texts;
                [entry.seq.to_string(), second(entry.at), who, action, target, event, one_line(&note.because)]
            };
            let heading = ["SEQ", "AT", "WHO", "WHAT", "TO", "EVENT", "BECAUSE"];
            session.data(table(heading, entries.iter().map(cells)))?;
        }
        Output::Json | Output::Ndjson => {
            entries.iter().try_for_each(|entry| stream.item(session, &entry.to_json()))?;
        }
    }
    stream.end(session)
}

/// Walks the whole chain.
async fn verify(
    session: &mut Session,
    output: Output,
    audit: &dyn Audit,
    expected: Option<Expected>,
) -> Result<Exit, Stopped> {
    let (mut seq, mut digest, mut old) = (0, AuditDigest::NONE, 0);
    let mut is_met = expected.is_none_or(|expected| expected == Expected { seq, digest });
    loop {
        let page = audit.entries(seq, PAGE).await.map_err(stopped)?;
        let Some(last) = page.last() else { break };
        check_chain(digest, seq + 1, &page).map_err(|broken| Stopped::failed(changed(broken)))?;
        if let Some(expected) = expected
            && let Some(entry) = page.iter().find(|entry| entry.seq == expected.seq)
        {
            if entry.digest != expected.digest {
                return Err(Stopped::failed(format_args!(
                    "entry {} is another one than was noted: the chain is whole, but was written anew from there or before",
                    entry.seq
                )));
            }
            is_met = true;
        }
        old += page.iter().filter(|entry| !entry.is_sealed).count();
        (seq, digest) = (last.seq, last.digest);
    }
    if let Some(expected) = expected.filter(|_| !is_met) {
        return Err(Stopped::failed(format_args!(
            "entry {} was noted, but the last one is {seq}: {} entries were taken away at the end, or more",
            expected.seq,
            expected.seq.saturating_sub(seq)
        )));
    }
    let value = json!({"entries": seq, "digest": digest, "without_digest": old, "expect": format!("{digest}@{seq}")});
    match output {
        Output::Table => {
            session.data(format_args!("{digest}@{seq}\n"))?;
            session.prose(format_args!(
                "{seq} entries, each follows on the one before it. Note the digest elsewhere: `dlq audit --expect` proves with \
                 it that none was taken away at the end"
            ));
            if old > 0 {
                session.prose(format_args!(
                    "The first {old} of them were written without a digest, as before there were any: only a digest that was noted \
                     proves that nobody changed those"
                ));
            }
        }
        Output::Json => session.json(&value)?,
        Output::Ndjson => session.json_line(&value)?,
    }
    Ok(Exit::Done)
}

fn changed(broken: impl std::fmt::Display) -> String {
    format!("{broken}. Whoever may write to the store can have done this: keep a copy of it before anything else")
}

/// The audit can't be used.
pub(super) fn stopped(error: AuditError) -> Stopped {
    let exit = match error {
        AuditError::Unavailable(_) => Exit::Unreachable,
        AuditError::Damaged(_) => Exit::Failed,
    };
    Stopped::new(exit, error)
}
