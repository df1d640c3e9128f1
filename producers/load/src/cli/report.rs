//! `load report`.

use std::{fs, path::PathBuf};

use sendoff_host::{Exit, Stopped};

use super::{Output, Session, execute::exit, folder};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its name, or its report.json
    run: String,
    /// Writes the page to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where runs keep their reports
    #[arg(long, value_name = "DIR", default_value = ".sendoff-load")]
    out: PathBuf,
}

pub(super) fn run(session: &mut Session, output: Output, args: &Args) -> Result<Exit, Stopped> {
    let report = folder::read(&session.folder.join(&args.out), &session.folder, &args.run)?;
    if let Some(html) = &args.html {
        let path = session.folder.join(html);
        fs::write(&path, report.page()).map_err(|e| Stopped::failed(format_args!("{}: {e}", path.display())))?;
    }
    let shown = match output {
        Output::Table => session.data(report.text()),
        Output::Json => session.json(&report, true),
        Output::Ndjson => session.json(&report, false),
    };
    Session::ended(exit(&report), shown)
}
