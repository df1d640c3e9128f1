//! `sendoff workflow runs`.

use sendoff_consumers::{Run, RunFailure, RunFilter, RunsOf};
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::Timestamp;
use sendoff_workflows::engine::Status;
use serde::Serialize;

use super::{args::Runs, found, opened::Opened};
use crate::cli::args::Output;

/// A run as it is listed.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    run: String,
    workflow: String,
    version: u32,
    status: Status,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// The error's name. Its cause may hold what people wrote.
    error: Option<String>,
}

impl Row {
    pub(super) fn of(run: &Run) -> Self {
        let of = &run.started;
        Self {
            run: of.name.clone(),
            workflow: format!("{}/{}", of.app, of.workflow),
            version: of.version,
            status: run.status,
            started_at: run.started_at,
            ended_at: run.ended_at,
            error: run.failure.as_ref().map(|RunFailure { error, .. }| error.clone()),
        }
    }
}

pub(super) async fn run(config: &Config, args: &Runs) -> Result<Exit, Stopped> {
    let opened = Opened::with_records(config, args.runs.backend).await?;
    let of = match args.of.clone() {
        None => RunsOf::Tenant,
        Some((app, None)) => RunsOf::App(app),
        Some((app, Some(workflow))) => RunsOf::Workflow(app, workflow),
    };
    let filter = RunFilter { tenant: args.tenant.clone(), of, status: args.status };
    let page = opened.workflows.list(&filter, None, args.limit.into()).await.map_err(found::stopped)?;
    let rows: Vec<Row> = page.runs.iter().map(Row::of).collect();
    match args.output {
        Output::Json => print::json(&rows)?,
        Output::Ndjson => rows.iter().try_for_each(print::json_line)?,
        Output::Table => {
            let row = |row: &Row| {
                let ended = row.ended_at.map_or_else(|| "-".to_owned(), |at| format!("{at:.3}"));
                let error = row.error.as_deref().map_or_else(|| "-".to_owned(), print::one_line);
                let (status, started) = (print::word(&row.status), format!("{:.3}", row.started_at));
                [row.run.clone(), row.workflow.clone(), row.version.to_string(), status, started, ended, error]
            };
            let heading = ["RUN", "WORKFLOW", "VERSION", "STATUS", "STARTED", "ENDED", "ERROR"];
            print::data(print::table(heading, rows.iter().map(row)))?;
        }
    }
    if rows.is_empty() {
        print::prose("there is no such run");
        return Ok(Exit::NothingMatched);
    }
    if page.next.is_some() {
        print::prose(format_args!("there are more than {}; --limit shows more", args.limit));
    }
    Ok(Exit::Done)
}
