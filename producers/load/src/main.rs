//! The program `load`.

use std::process::ExitCode;

use sendoff_host::{Stopped, end};
use sendoff_load::cli::{Session, load};

/// With the C library's own one a fifth of what a message costs would be memory that is taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end("load", Err(Stopped::failed(format_args!("no threads can be started: {error}")))),
    };
    end("load", runtime.block_on(load(std::env::args_os(), &mut Session::of_this_process())))
}
