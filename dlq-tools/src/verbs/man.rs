//! `dlq man`.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_mangen::Man;
use sendoff_host::{Exit, Stopped};

use super::{Cli, Common};
use crate::Session;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Writes `dlq.1` and a page for each verb into this folder, which is made if it isn't there
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

pub(super) async fn run(session: &mut Session, _common: &Common, args: Args) -> Result<Exit, Stopped> {
    let Some(folder) = args.into else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        session.data(String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let folder = session.folder.join(folder);
    let written = std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &folder));
    written.map_err(|error| {
        Stopped::failed(format_args!("the pages can't be written to {}: {error}", folder.display()))
    })?;
    session.prose(format_args!("the pages are in {}; `man -l {0}/dlq.1` shows the first", folder.display()));
    Ok(Exit::Done)
}
