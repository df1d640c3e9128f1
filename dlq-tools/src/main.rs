//! The bin `dlq`.

use std::process::ExitCode;

use sendoff_dlq_tools::{
    Session, dlq,
    edit::{APART, serve_apart},
};
use sendoff_host::end;

/// With the C library's own one a fifth of what a message costs would be memory that is taken and given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == APART) {
        return serve_apart();
    }
    // One thread: all that it does is one task, and connections served by another one would only cost it wake-ups. Writing to files
    // happens beside it.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end("dlq", Err(sendoff_host::Stopped::failed(format_args!("no runtime can be started: {error}"))));
        }
    };
    end("dlq", runtime.block_on(dlq(std::env::args_os(), &mut Session::of_this_process())))
}
