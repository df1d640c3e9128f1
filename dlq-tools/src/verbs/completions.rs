//! `dlq completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;
use sendoff_host::{Exit, Stopped};

use super::{Cli, Common};
use crate::Session;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell. `source <(dlq completions bash)` tries it out
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) async fn run(session: &mut Session, _common: &Common, args: Args) -> Result<Exit, Stopped> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dlq", &mut script);
    session.data(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
