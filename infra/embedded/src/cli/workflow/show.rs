//! `sendoff workflow show`.

use std::fmt::Write as _;

use sendoff_consumers::RunEntry;
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print},
};
use sendoff_events::Timestamp;
use sendoff_workflows::engine::{Failure, What};
use serde::Serialize;
use serde_json::Value;

use super::{args::Show, found, hide, opened::Opened, runs::Row};
use crate::cli::args::Output;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    run: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    history: Vec<Line>,
}

/// Something that the run has done.
#[derive(Serialize)]
struct Line {
    number: u64,
    at: Timestamp,
    what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

pub(super) async fn run(config: &Config, args: &Show) -> Result<Exit, Stopped> {
    let opened = Opened::to_look(config, args.runs.backend).await?;
    let run = found::run(&*opened.workflows, &args.run).await?;
    let history = found::history(&*opened.workflows, &args.run).await?;
    let cause = run.failure.clone().map(|failure| hide::failure(failure, args.show_data).cause);
    let history = history.into_iter().map(|entry| line(entry, args.show_data)).collect();
    let report = Report { run: Row::of(&run), cause, history };
    match args.output {
        Output::Json => print::json(&report)?,
        Output::Ndjson => report.history.iter().try_for_each(print::json_line)?,
        Output::Table => print::data(page(&report))?,
    }
    if !args.show_data {
        print::prose("what people wrote is hidden; --show-data shows it");
    }
    Ok(Exit::Done)
}

fn line(RunEntry { number, entry }: RunEntry, show_data: bool) -> Line {
    Line {
        number,
        at: entry.at,
        what: entry.what,
        step: entry.instance.map(|instance| instance.to_string()),
        attempt: entry.attempt,
        input: entry.input.map(|input| hide::value(input, show_data)),
        output: entry.output.map(|output| hide::value(output, show_data)),
        error: entry.error.map(|error| hide::failure(error, show_data)),
    }
}

fn page(report: &Report) -> String {
    let row = serde_json::to_value(&report.run).unwrap_or_default();
    let mut page = String::new();
    for name in ["run", "workflow", "version", "status", "started_at", "ended_at", "error"] {
        match &row[name] {
            Value::Null => {}
            Value::String(text) => drop(writeln!(page, "{name:<12}{}", print::one_line(text))),
            other => drop(writeln!(page, "{name:<12}{other}")),
        }
    }
    if let Some(cause) = &report.cause {
        let _ = writeln!(page, "{:<12}{}", "cause", print::one_line(cause));
    }
    page.push('\n');
    let rows = report.history.iter().map(|line| {
        let attempt = line.attempt.map_or_else(String::new, |attempt| attempt.to_string());
        let mut more = Vec::new();
        more.extend(line.error.as_ref().map(|error| format!("{}: {}", error.error, error.cause)));
        more.extend(line.input.as_ref().map(|input| format!("in {input}")));
        more.extend(line.output.as_ref().map(|output| format!("out {output}")));
        let step = line.step.clone().unwrap_or_default();
        let what = print::word(&line.what).replace('_', " ");
        [format!("{:.3}", line.at), step, what, attempt, print::one_line(&more.join("; "))]
    });
    page.push_str(&print::table(["AT", "STEP", "WHAT", "ATTEMPT", ""], rows));
    page
}
