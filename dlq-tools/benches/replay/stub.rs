//! The process that answers.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sendoff_tests::servers::{Seen, Stocked};

use crate::processor;

/// Makes this program the stub.
pub(crate) const ARGUMENT: &str = "--stub";

pub(crate) fn serve(letters: u64, latency: Duration) {
    processor::stay_on(1);
    Stocked { letters, latency }.serve().unwrap();
}

/// The stub, as long as it runs.
pub(crate) struct Stub {
    process: Child,
    address: String,
}

impl Stub {
    pub(crate) fn start(letters: u64, latency: Duration) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([ARGUMENT, &letters.to_string(), &latency.as_millis().to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    /// A command that talks to it.
    pub(crate) fn lead(&self, command: &mut Command) {
        command.env_clear().envs(Stocked::variables(&self.address)).env("USER", "bench");
    }

    pub(crate) fn seen(&self) -> Seen {
        Stocked::seen(&self.address).unwrap()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
