//! The command line: what was asked for, done, and told.

mod args;
mod backend;
mod config;
mod demo;
mod doubt;
mod logging;
mod mail;
mod messages;
mod outcome;
mod reading;
mod runs;
mod serve;
mod suppression;
mod tail;
mod template;
mod token;
mod trace;
mod workflow;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser as _;
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, end},
};

/// Does what the command line asks for.
pub(crate) fn main() -> ExitCode {
    end("sendoff", run(Cli::parse()))
}

fn run(mut cli: Cli) -> Result<Exit, Stopped> {
    if let Some(Command::Template(template)) = &mut cli.command {
        template.take_data(&mut cli.settings);
    }
    let mut inputs = cli.settings.inputs();
    // Not a setting, and no flag either: whoever lists processes would see it.
    let token = inputs.variables.get("SENDOFF_TOKEN").cloned();
    let no_color = inputs.variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    match &cli.command {
        Some(Command::Demo(_)) => inputs = demo::inputs(inputs),
        Some(Command::Doubt(args)) => inputs = backend::inputs(inputs, args.backend),
        Some(Command::Suppression(args)) => inputs = backend::inputs(inputs, args.backend),
        Some(Command::Workflow(args)) => inputs = backend::inputs(inputs, args.backend()),
        _ => {}
    }
    let config = Config::load(&inputs)?;
    logging::start(&config.settings, no_color);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Stopped::failed)?;
    let ended = runtime.block_on(dispatch(cli, config, token));
    // Whoever asked to stop at once doesn't wait for what still blocks a thread.
    runtime.shutdown_background();
    ended
}

async fn dispatch(cli: Cli, config: Config, token: Option<String>) -> Result<Exit, Stopped> {
    match cli.command {
        None => serve::run(&config).await,
        Some(Command::Demo(args)) => demo::run(config, &args, cli.settings.data.is_some()).await,
        Some(Command::Trace { event, output }) => trace::run(&config, event, output).await,
        Some(Command::Tail { since, output }) => tail::run(&config, since, output).await,
        Some(Command::Mail(command)) => mail::run(&config, &command),
        Some(Command::Messages(command)) => messages::run(&config, &command),
        Some(Command::Doubt(command)) => doubt::run(&config, command).await,
        Some(Command::Suppression(command)) => suppression::run(&config, command).await,
        Some(Command::Template(args)) => template::run(&config, &args).await,
        Some(Command::Workflow(args)) => workflow::run(&config, &args, token).await,
        Some(Command::Token { tenant, user, ttl }) => token::run(&config, &tenant, &user, ttl),
        Some(Command::Config(command)) => config::run(&command, &config),
    }
}
