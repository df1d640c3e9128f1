//! The program `load`.

use std::process::ExitCode;

use sendoff_host::{Stopped, end};
use sendoff_load::cli::{Session, load};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end("load", Err(Stopped::failed(format_args!("no threads can be started: {error}")))),
    };
    end("load", runtime.block_on(load(std::env::args_os(), &mut Session::of_this_process())))
}
