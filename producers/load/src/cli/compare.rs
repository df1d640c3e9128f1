//! `load compare`.

use std::path::PathBuf;

use sendoff_embedded::program::print::table;
use sendoff_host::{Exit, Stopped};

use super::{Output, Session, folder};
use crate::compare::Comparison;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The first run: its name, or its report.json
    first: String,
    /// The second one
    second: String,
    /// Fails (exit code 1) when a figure of the second run is worse by more than the tolerance, is missing, or can't be compared
    #[arg(long)]
    fail_if_worse: bool,
    /// By how many percent a figure may be worse with --fail-if-worse. The nearer end of its interval has to be beyond that. What was
    /// counted, such as lost, may not be worse at all
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent, requires = "fail_if_worse")]
    tolerance: f64,
    /// Lets pass what there is too little of in these runs to be compared
    #[arg(long, requires = "fail_if_worse")]
    allow_unknown: bool,
    /// Where runs keep their reports
    #[arg(long, value_name = "DIR", default_value = ".sendoff-load")]
    out: PathBuf,
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| (0.0..=1000.0).contains(percent));
    percent.ok_or_else(|| "it is a number from 0 to 1000".into())
}

pub(super) fn run(session: &mut Session, output: Output, args: &Args) -> Result<Exit, Stopped> {
    let all = session.folder.join(&args.out);
    let read = |named: &str| folder::read(&all, &session.folder, named);
    let comparison = Comparison::of(&read(&args.first)?, &read(&args.second)?);
    let shown = match output {
        Output::Json => session.json(&comparison, true),
        Output::Ndjson => session.json(&comparison, false),
        Output::Table => {
            let rows = comparison.figures.iter().map(|figure| {
                let (ratio, interval) = figure.ratio.map_or_else(
                    || ("–".to_owned(), "–".to_owned()),
                    |r| (format!("{:.3}", r.ratio), format!("{:.3} to {:.3}", r.low, r.high)),
                );
                [
                    figure.name.clone(),
                    figure.first.clone().unwrap_or_else(|| "–".into()),
                    figure.second.clone().unwrap_or_else(|| "–".into()),
                    ratio,
                    interval,
                    figure.text().to_owned(),
                ]
            });
            let interval = "95 %, within these two runs";
            let heading = ["figure", &*comparison.first, &*comparison.second, "ratio", interval, "the second is"];
            let text = table(heading, rows);
            session.data(text)
        }
    };
    for warning in &comparison.warnings {
        session.prose(format_args!("warning: {warning}"));
    }
    let passes = !args.fail_if_worse || judge(session, &comparison, args);
    Session::ended(if passes { Exit::Done } else { Exit::Failed }, shown)
}

/// Whether the second run may stand in for the first, and why not. What isn't judged is told in any case: a gate that can't see looks
/// like one that has seen nothing.
fn judge(session: &mut Session, comparison: &Comparison, args: &Args) -> bool {
    let gate = comparison.gate(args.tolerance / 100.0);
    for figure in &gate.worse {
        session.prose(format_args!("failed: {figure}"));
    }
    if !gate.unknown.is_empty() {
        let (word, advice) = if args.allow_unknown {
            ("warning", "")
        } else {
            ("failed", ". Make the runs longer, or let it pass with --allow-unknown")
        };
        session.prose(format_args!("{word}: can't be compared: {}{advice}", gate.unknown.join(", ")));
    }
    if !gate.rare.is_empty() {
        session.prose(format_args!("not judged, since it can't be compared: {}", gate.rare.join(", ")));
    }
    gate.worse.is_empty() && (gate.unknown.is_empty() || args.allow_unknown)
}
