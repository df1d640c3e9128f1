//! The process that dies in the crash test of workflows: `workflow_crash_child FOLDER CONFIG PROVIDER ORIGIN-MS WORK`, where the work is
//! `record PLACES`, `exactly PLACES FIRST STRIDE` or `together RUNS`.
#![expect(clippy::print_stderr, reason = "it tells the test why it failed")]

use std::{process::ExitCode, time::Duration};

use sendoff_events::Clock as _;
use sendoff_host::SystemClock;
use sendoff_tests::crash::{
    FastClock,
    workflow::{Work, WorkflowChild},
};

/// How long one life may last. One that gets stuck, or whose parent is gone, ends by itself.
const PATIENCE: Duration = Duration::from_secs(300);

fn child() -> Option<WorkflowChild> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    Some(WorkflowChild {
        folder: next()?.into(),
        config: next()?.into(),
        provider: next()?.parse().ok()?,
        clock: FastClock { origin: jiff::Timestamp::from_millisecond(next()?.parse().ok()?).ok()? },
        work: match next()?.as_str() {
            "record" => Work::Record(next()?.into()),
            "exactly" => {
                Work::Exactly { places: next()?.into(), first: next()?.parse().ok()?, stride: next()?.parse().ok()? }
            }
            "together" => Work::Together(next()?.parse().ok()?),
            _ => return None,
        },
    })
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let Some(child) = child() else {
        eprintln!(
            "usage: workflow_crash_child FOLDER CONFIG PROVIDER ORIGIN-MS (record PLACES | exactly PLACES FIRST STRIDE | together RUNS)"
        );
        return ExitCode::from(2);
    };
    let ended = tokio::select! {
        ended = child.run() => ended,
        () = SystemClock.sleep(PATIENCE) => Err("it got stuck".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the crash test's child failed: {error}");
            ExitCode::FAILURE
        }
    }
}
