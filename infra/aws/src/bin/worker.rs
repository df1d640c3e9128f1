//! The worker: works the queues in a container, for those who don't want Lambda.

use std::process::ExitCode;

fn main() -> ExitCode {
    sendoff_aws::worker::main()
}
