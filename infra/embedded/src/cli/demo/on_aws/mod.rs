//! The demo over a stack of its own on AWS, or on an emulator: it is made from the template, and deleted at the end.

mod ledger;
mod system;

use std::{net::SocketAddr, sync::Arc};

use sendoff_aws::{
    Aws, Cause, Environment,
    provision::{ProvisionError, Stack},
    settings::environment,
    worker::WorkerError,
};
use sendoff_embedded::{
    config::Config,
    program::{Exit, Stopped, print::prose},
};
use sendoff_events::EventId;
use sendoff_host::{Signals, SystemClock, SystemRng};

use self::{ledger::OnAws, system::System};
use super::{report::Report, tell};

/// Makes the stack, plays the story on it, deletes the stack, and reports. Ctrl-C ends the story; the stack is deleted all the
/// same.
pub(super) async fn play(config: &Config, poison: u16, keep: bool) -> Result<Report, Stopped> {
    let mut signals = Signals::listen().map_err(Stopped::failed)?;
    let aws = Aws::load(Environment::of(environment())).await.map_err(WorkerError::from)?;
    let stack = Stack::new(aws.clone(), name(), Arc::new(SystemClock));
    prose(format_args!("making the stack `{}` in {}", stack.name(), aws.region()));
    let told = match unless_stopped(&mut signals, stack.create()).await {
        Ok(Ok(resources)) => match System::start(aws, resources, config).await {
            Ok(system) => story(system, &mut signals, poison).await,
            Err(error) => Err(error),
        },
        Ok(Err(error)) if is_nothing(&error) => return Err(stopped(&error)),
        Ok(Err(error)) => Err(stopped(&error)),
        Err(signal) => Err(signal),
    };
    if keep {
        prose(format_args!("the stack `{}` stays, with all that it holds: delete it in CloudFormation", stack.name()));
        return told;
    }
    prose(format_args!("deleting the stack `{}`", stack.name()));
    let deleted = match unless_stopped(&mut signals, stack.delete()).await {
        Ok(deleted) => deleted.map_err(|error| stopped(&error)),
        Err(signal) => Err(signal),
    };
    match (told, deleted) {
        (told, Ok(())) => told,
        // What came first says more; what is left behind costs something, so it is told too.
        (Err(first), Err(left)) => {
            Err(Stopped::new(first.exit, format_args!("{}\n{}", text(first), left_behind(&stack, left))))
        }
        (Ok(_), Err(left)) => Err(Stopped::new(left.exit, left_behind(&stack, left))),
    }
}

async fn story(mut system: System, signals: &mut Signals, poison: u16) -> Result<Report, Stopped> {
    let (address, ledger): (SocketAddr, OnAws) = (system.address(), system.ledger());
    let told = tokio::select! {
        report = tell(address, &ledger, poison) => report,
        failure = system.failed() => Err(failure.into()),
        signal = signals.next() => Err(interrupted(signal)),
    };
    let ended = system.shutdown().await;
    let report = told?;
    ended?;
    Ok(report)
}

/// The work, unless somebody asks to stop before it is done.
async fn unless_stopped<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::select! {
        done = work => Ok(done),
        signal = signals.next() => Err(interrupted(signal)),
    }
}

fn interrupted(signal: &str) -> Stopped {
    Stopped::failed(format_args!("{signal}: the demo was broken off"))
}

/// A name that no other stack has, short enough for every name that is made from it: an execution role's name has 64
/// characters.
fn name() -> String {
    let id = EventId::generate(&SystemClock, &SystemRng::new()).to_string();
    // The end of an id is random.
    let tail = id.rsplit('-').next().unwrap_or_default();
    format!("sendoff-demo-{tail}")
}

/// Whether it is certain that not even a part of the stack is there.
fn is_nothing(error: &ProvisionError) -> bool {
    matches!(error, ProvisionError::Template(_))
        || matches!(error, ProvisionError::Call(call) if call.call == "cloudformation:CreateStack" && call.cause != Cause::Unknown)
}

fn stopped(error: &ProvisionError) -> Stopped {
    let exit = if matches!(error, ProvisionError::Call(_)) { Exit::Unreachable } else { Exit::Failed };
    Stopped::new(exit, error)
}

fn left_behind(stack: &Stack, why: Stopped) -> String {
    let name = stack.name();
    format!("the stack `{name}` may be left behind; delete it in CloudFormation. {}", text(why))
}

fn text(stopped: Stopped) -> String {
    stopped.message.unwrap_or_default()
}
