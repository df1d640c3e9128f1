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
    run::{
        Report,
        folder::{Found, RunFolder, Standing},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(session: &mut Session, common: &Common, _args: Args) -> Result<Exit, Stopped> {
    let deployment = common.open(session, Access::Look).await?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for folder in RunFolder::all(&deployment.work)? {
        // One that is damaged must not hide the others.
        let Found { plan, stands: Standing { state, ended, last_at, .. } } = match folder.read() {
            Ok(found) => found,
            Err(error) => {
                session.prose(format_args!("run {}: {error}", folder.name()));
                continue;
            }
        };
        let report = Report::of(plan.hash(), &state, ended.as_ref());
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
    Ok(if is_none { Exit::NothingMatched } else { Exit::Done })
}
