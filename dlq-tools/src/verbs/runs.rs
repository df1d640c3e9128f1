//! `dlq runs`.

use sendoff_embedded::program::print::{one_line, table};
use sendoff_host::{Exit, Stopped};
use serde_json::json;

use super::{
    Common, Output,
    run::{shown, stands},
};
use crate::{
    Session,
    deployment::Access,
    plan::Cover,
    run::{
        Report,
        folder::{Found, RunFolder, Standing},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(session: &mut Session, common: &Common, _args: Args) -> Result<Exit, Stopped> {
    let deployment = common.open(session, Access::Look).await?;
    let (mut rows, mut documents, mut is_damaged) = (Vec::new(), Vec::new(), false);
    for folder in RunFolder::all(&deployment.work)? {
        // One that is damaged must not hide the others.
        let Found { plan, stands: Standing { state, ended, last_at, .. } } = match folder.read() {
            Ok(found) => found,
            Err(error) => {
                session.prose(format_args!("run {}: {error}", folder.name()));
                let queue = Cover::open(&folder.plan()).ok().map(|plan| plan.head().queue.clone());
                rows.push(damaged(&folder, queue.as_deref()));
                documents.push(json!({
                    "run": folder.name(), "queue": queue, "state": DAMAGED, "last_at": null, "report": null,
                    "why": error.to_string(),
                }));
                is_damaged = true;
                continue;
            }
        };
        let report = Report::of(&plan, &state, ended.as_ref());
        let stands = stands(&folder, &state, &report)?;
        rows.push([
            folder.name(),
            one_line(&plan.head().queue),
            stands.clone(),
            format!("{}/{}", report.moved, report.planned),
            report.returned.to_string(),
            report.ambiguous.to_string(),
            shown(last_at),
        ]);
        documents.push(json!({
            "run": folder.name(), "queue": plan.head().queue, "state": stands, "last_at": last_at, "report": report,
        }));
    }
    let is_none = rows.is_empty();
    match common.output {
        Output::Json => session.json(&documents)?,
        Output::Ndjson => {
            for document in &documents {
                session.json_line(document)?;
            }
        }
        Output::Table if is_none => session.prose("there are no runs; `dlq run` begins one"),
        Output::Table => {
            let heading = ["RUN", "QUEUE", "STATE", "MOVED", "RETURNED", "AMBIGUOUS", "LAST"];
            session.data(table(heading, rows))?;
        }
    }
    Ok(match (is_none, is_damaged) {
        (true, _) => Exit::NothingMatched,
        (false, true) => Exit::Partly,
        (false, false) => Exit::Done,
    })
}

/// The state of a run that can't be read.
const DAMAGED: &str = "damaged";

/// The row of a run that can't be read: it has to be seen among the others.
fn damaged(folder: &RunFolder, queue: Option<&str>) -> [String; 7] {
    let unknown = || "-".to_owned();
    let queue = queue.map_or_else(unknown, one_line);
    [folder.name(), queue, DAMAGED.to_owned(), unknown(), unknown(), unknown(), unknown()]
}
