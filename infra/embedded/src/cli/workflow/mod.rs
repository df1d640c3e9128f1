//! `sendoff workflow`: from a draft to what its runs have done.

mod api;
mod args;
mod check;
mod compile;
mod diff;
mod draw;
mod dry_run;
mod found;
mod hide;
mod input;
#[cfg(feature = "aws")]
mod on_aws;
mod opened;
mod piece;
mod problems;
mod publish;
mod runs;
mod show;
mod steer;

pub(super) use args::Workflow;
use args::WorkflowCommand;
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped},
};
use steer::To;

/// `token` is that of a server elsewhere.
pub(super) async fn run(
    config: &Config,
    Workflow { command }: &Workflow,
    token: Option<String>,
) -> Result<Exit, Stopped> {
    match command {
        WorkflowCommand::Check(args) => check::run(args),
        WorkflowCommand::Compile(args) => compile::run(args),
        WorkflowCommand::Draw(args) => draw::run(config, args).await,
        WorkflowCommand::DryRun(args) => dry_run::run(config, args),
        WorkflowCommand::Diff(args) => diff::run(config, args).await,
        WorkflowCommand::Publish(args) => publish::publish(config, args, token).await,
        WorkflowCommand::SwitchOff(args) => publish::switch_off(config, args, token).await,
        WorkflowCommand::Run(args) => publish::start(config, args, token).await,
        WorkflowCommand::Runs(args) => runs::run(config, args).await,
        WorkflowCommand::Show(args) => show::run(config, args).await,
        WorkflowCommand::Redrive(args) => steer::run(config, args, To::Redrive).await,
        WorkflowCommand::Stop(args) => steer::run(config, args, To::Stop).await,
    }
}
