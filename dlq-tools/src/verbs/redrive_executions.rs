//! `dlq redrive-executions`.

use sendoff_host::{Exit, Stopped};

use super::Common;
use crate::Session;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_session: &mut Session, _common: &Common, _args: Args) -> Result<Exit, Stopped> {
    Err(Stopped::new(Exit::Failed, "not built yet"))
}
