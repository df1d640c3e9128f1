//! The program `sendoff`: the whole system in one process, and the tools to look at it.

mod cli;

use std::process::ExitCode;

/// With the C library's own one a fifth of what a message costs would be memory that is taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
