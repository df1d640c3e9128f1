//! The program `sendoff`: the whole system in one process, and the tools to look at it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
