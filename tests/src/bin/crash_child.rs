//! The process that the crash test kills: `crash_child FOLDER PROVIDER ORIGIN-MS EVENTS`.
#![expect(clippy::print_stderr, reason = "it tells the test why it failed")]

use std::process::ExitCode;

use sendoff_tests::crash::{Child, FastClock};

fn child() -> Option<Child> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    Some(Child {
        folder: next()?.into(),
        provider: next()?.parse().ok()?,
        clock: FastClock { origin: jiff::Timestamp::from_millisecond(next()?.parse().ok()?).ok()? },
        events: next()?.parse().ok()?,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(child) = child() else {
        eprintln!("usage: crash_child FOLDER PROVIDER ORIGIN-MS EVENTS");
        return ExitCode::from(2);
    };
    match child.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the crash test's child failed: {error}");
            ExitCode::FAILURE
        }
    }
}
