//! The AWS emulator: `ministack` from PyPI, the one that runs real Lambda binaries and whole templates without a container.
//! Where it is wrong is told in `conformance/on_aws.rs`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sendoff_aws::Environment;

use super::{
    port::Port,
    process::Server,
    python::{program, venv},
};

/// Every package of it at one version.
const REQUIREMENTS: &str = include_str!("../../requirements/ministack.txt");

/// A running emulator.
pub struct Emulator {
    port: Port,
    server: Server,
    stacks: AtomicU32,
}

impl Emulator {
    /// The emulator that all tests of this process share. Each test takes a [stack](Self::stack) of its own in it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// An emulator of its own.
    ///
    /// # Panics
    ///
    /// When it can't be installed or doesn't start; the message says why.
    #[must_use]
    pub fn start() -> Self {
        let environment = venv("ministack", REQUIREMENTS);
        let port = Port::free();
        let mut command = Command::new(program(&environment, "python"));
        command.args(["-m", "ministack"]);
        // Without the first two it would listen at all addresses.
        command.env("BIND_HOST", "127.0.0.1").env("IOT_MTLS_PORT", "0").env("GATEWAY_PORT", port.to_string());
        command.env("LOG_LEVEL", "ERROR");
        Self { server: Server::start(&command, &port), port, stacks: AtomicU32::new(0) }
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it unpacks the code of functions, hundreds of megabytes. It is taken away with it.
    #[must_use]
    pub fn temporary_folder(&self) -> &Path {
        self.server.temporary_folder()
    }

    /// A name that no other test has.
    #[must_use]
    pub fn stack(&self) -> String {
        format!("t{}", self.stacks.fetch_add(1, Ordering::Relaxed))
    }

    /// The environment variables that lead to it.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let pairs = [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_REGION", Self::REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        BTreeMap::from(pairs)
    }

    /// The same, as the SDK takes it.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::of(self.variables())
    }

    /// Its region.
    pub const REGION: &str = "us-east-1";
    /// Its account.
    pub const ACCOUNT: &str = "000000000000";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_emulator_unpacks_goes_where_it_is_taken_away() {
        let emulator = Emulator::shared();
        // Like the code of functions, this file lies in the temporary folder of the process.
        let name = format!("ministack-{}.pid", emulator.port);
        assert!(!std::env::temp_dir().join(&name).exists(), "{name} lies in the system's temporary folder");
        assert!(emulator.temporary_folder().join(name).exists());
    }
}
