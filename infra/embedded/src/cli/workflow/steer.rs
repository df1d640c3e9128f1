//! `sendoff workflow redrive` and `sendoff workflow stop`.

use sendoff_consumers::{AuditNote, Workflows};
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_workflows::engine::Status;
use serde_json::json;

use super::{args::Steer, found, opened::Opened};
use crate::cli::args::TableOrJson;

/// What is to become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Redrive,
    Stop,
}

pub(super) async fn run(config: &Config, args: &Steer, to: To) -> Result<Exit, Stopped> {
    let opened = Opened::to_steer(config, args.runs.backend).await?;
    let steered = steer(&*opened.workflows, &args.run, to).await;
    let audited = match &steered {
        Ok(()) => opened.audit.append(&note(args, to)).await.map(drop),
        Err(_) => Ok(()),
    };
    opened.close().await;
    steered?;
    let what = match to {
        To::Redrive => "goes on from where it failed",
        To::Stop => "is stopped",
    };
    match args.output {
        TableOrJson::Json => print::json(&json!({ "run": args.run, "what": what }))?,
        TableOrJson::Table => print::data(format_args!("the run {} {what}\n", args.run))?,
    }
    audited.map(|()| Exit::Done).map_err(|error| {
        let why =
            format!("the run {} {what}, but who did it and why could not be kept for `dlq audit`: {error}", args.run);
        Stopped::new(Exit::Partly, why)
    })
}

fn note(args: &Steer, to: To) -> AuditNote {
    let action = match to {
        To::Redrive => "workflow-redrive",
        To::Stop => "workflow-stop",
    };
    let because = args.because.clone().unwrap_or_default();
    AuditNote { who: args.by.clone(), action: action.into(), event: None, target: args.run.clone(), because }
}

async fn steer(workflows: &dyn Workflows, name: &str, to: To) -> Result<(), Stopped> {
    found::run(workflows, name).await?;
    let done = match to {
        To::Redrive => workflows.redrive(name).await,
        To::Stop => workflows.stop(name).await,
    };
    if done.map_err(found::stopped)? {
        return Ok(());
    }
    let status = found::run(workflows, name).await?.status;
    let why = match (to, status) {
        (To::Redrive, Status::Running) => "it is running: only a run that failed is taken up again",
        (To::Redrive, _) => "it hasn't failed: only a run that failed is taken up again",
        (To::Stop, _) => "it is at its end: only a run that is running is stopped",
    };
    Err(Stopped::new(Exit::Refused, format!("the run `{name}` is {}: {why}", print::word(&status))))
}
