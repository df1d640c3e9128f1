//! A mail server: `aiosmtpd` from PyPI, which keeps what it takes in a maildir.

use std::{fs, path::PathBuf, process::Command};

use super::{
    port::Port,
    process::Server,
    python::{program, venv},
};

pub(super) const REQUIREMENTS: &str = include_str!("../../requirements/aiosmtpd.txt");

/// A running mail server.
pub struct MailServer {
    port: Port,
    folder: tempfile::TempDir,
    _server: Server,
}

impl MailServer {
    /// A mail server on a free port of this machine.
    ///
    /// # Panics
    ///
    /// When it can't be installed or doesn't start; the message says why.
    #[must_use]
    pub fn start() -> Self {
        let environment = venv("aiosmtpd", REQUIREMENTS);
        let (port, folder) = (Port::free(), tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(program(&environment, "python"));
        let handler = ["-c", "aiosmtpd.handlers.Mailbox"];
        command.args(["-m", "aiosmtpd", "--nosetuid", "--listen"]).arg(format!("127.0.0.1:{port}")).args(handler);
        command.arg(folder.path().join("mail"));
        Self { _server: Server::start(&command, &port), port, folder }
    }

    /// Its address, as `SMTP_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// The mails that it has taken, as they came over the wire.
    ///
    /// # Panics
    ///
    /// When its folder can't be read.
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        let new = self.folder.path().join("mail/new");
        let Ok(entries) = fs::read_dir(new) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.into_iter().map(|path| fs::read_to_string(path).expect("a mail")).collect()
    }
}
