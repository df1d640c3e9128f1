//! The host for containers: the standard handlers, each on its queue, the reaction to changes and the outbox's sweep, until
//! it is asked to stop.
//!
//! It is told everything by environment variables (`docs/CONFIG.md`), and checks at its start that it reaches every table,
//! queue and topic it was told of. `SIGTERM` and `SIGINT` let running handlers finish within the grace period; the second
//! stops at once. Any number of them may run beside each other and beside the functions: what they share is in AWS.

mod ask;
mod error;
mod handlers;
mod health;
mod page;
mod reach;
mod sweep;
mod system;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

pub use error::WorkerError;
use sendoff_host::{Exit, Signals, Stopped, SystemClock, end};
pub use system::Worker;

use crate::{
    Aws, Environment, log_to_stderr,
    settings::{Settings, environment},
};

const PROGRAM: &str = "worker";

/// The whole program: from the environment to the exit code. 0 after it was stopped, 1 when a part failed, 2 when its
/// settings are wrong, 7 when something in AWS can't be reached.
#[must_use]
pub fn main() -> ExitCode {
    end(PROGRAM, start())
}

fn start() -> Result<Exit, Stopped> {
    if let Some(argument) = std::env::args_os().nth(1) {
        let why = format!(
            "there is no argument `{}`: environment variables tell it everything, and docs/CONFIG.md describes them",
            argument.display()
        );
        return Err(Stopped::new(Exit::Usage, why));
    }
    let settings = handlers::settings(&environment().collect())?;
    log_to_stderr(&settings.log_level, Arc::new(SystemClock)).map_err(Stopped::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Stopped::failed)?.block_on(run(&settings))
}

async fn run(settings: &Settings) -> Result<Exit, Stopped> {
    let mut signals = Signals::listen().map_err(Stopped::failed)?;
    let starting = async {
        let aws = Aws::load(Environment::of(environment())).await?;
        Worker::start(aws, settings).await
    };
    let mut worker = tokio::select! {
        started = starting => started?,
        signal = signals.next() => {
            tell(format_args!("{signal}: stopped before it had started"));
            return Ok(Exit::Done);
        }
    };
    tell(format_args!("listening on http://{}", worker.address()));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        failure = worker.failed() => {
            // Half a worker is worse than none: what still runs is stopped in order, and whoever started it is told.
            let _ = worker.shutdown().await;
            return Err(Stopped::failed(failure));
        }
    };
    tell(format_args!("{signal}: finishing what is running; once more to stop at once"));
    tokio::select! {
        ended = worker.shutdown() => ended?,
        signal = signals.next() => {
            let why = format!("{signal}: stopped at once; what was running is delivered again when its lease has lapsed");
            return Err(Stopped::failed(why));
        }
    }
    tell(format_args!("stopped"));
    Ok(Exit::Done)
}

/// Tells a person something on stderr. If nobody listens there, that is fine.
fn tell(what: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{PROGRAM}: {what}");
}
