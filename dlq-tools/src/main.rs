//! The bin `dlq`.

use std::process::ExitCode;

use sendoff_dlq_tools::{Session, dlq};
use sendoff_host::end;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end("dlq", Err(sendoff_host::Stopped::failed(format_args!("no threads can be started: {error}"))));
        }
    };
    end("dlq", runtime.block_on(dlq(std::env::args_os(), &mut Session::of_this_process())))
}
