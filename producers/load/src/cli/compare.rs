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
    /// Fails (exit code 1) when any figure of the second run is worse or missing
    #[arg(long)]
    fail_if_worse: bool,
    /// Where runs keep their reports
    #[arg(long, value_name = "DIR", default_value = ".sendoff-load")]
    out: PathBuf,
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
            let heading =
                ["figure", comparison.first.as_str(), comparison.second.as_str(), "ratio", "95 %", "the second is"];
            let text = table(heading, rows);
            session.data(text)
        }
    };
    for warning in &comparison.warnings {
        session.prose(format_args!("warning: {warning}"));
    }
    let exit = if args.fail_if_worse && comparison.is_worse() { Exit::Failed } else { Exit::Done };
    Session::ended(exit, shown)
}
