//! A mail server that fails as it is told: `aiosmtpd` from PyPI with a handler of ours.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    mail::REQUIREMENTS,
    port::Port,
    process::Server,
    python::{program, venv},
};

const PROGRAM: &str = include_str!("scripted_mail.py");

/// A running mail server with a plan for each sender.
pub struct ScriptedMail {
    port: Port,
    folder: tempfile::TempDir,
    _server: Server,
}

impl ScriptedMail {
    /// A mail server on a free port of this machine that does what the words of a mail's sender say: one for each mail that
    /// begins, the last one for all that follow. `ok` takes it; `mail 421 …`, `rcpt 550 …`, `data 451 …` are replies at these stages; then
    /// there are `drop at mail`, `drop before taking`, `drop after taking`, `hang before taking` and `hang after taking`.
    ///
    /// # Panics
    ///
    /// When it can't be installed or doesn't start; the message says why.
    #[must_use]
    pub fn start(plans: &BTreeMap<String, Vec<&str>>) -> Self {
        Self::run(plans, None)
    }

    /// The same, demanding STARTTLS with this certificate and key (PEM files).
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with_tls(plans: &BTreeMap<String, Vec<&str>>, certificate: &Path, key: &Path) -> Self {
        Self::run(plans, Some([certificate, key]))
    }

    fn run(plans: &BTreeMap<String, Vec<&str>>, tls: Option<[&Path; 2]>) -> Self {
        let environment = venv("aiosmtpd", REQUIREMENTS);
        let (port, folder) = (Port::free(), tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(program(&environment, "python"));
        command.args(["-c", PROGRAM]).arg(port.to_string());
        command.args([folder.path().join("plans"), folder.path().join("taken")]).args(tls.into_iter().flatten());
        fs::write(folder.path().join("plans"), serde_json::to_string(plans).expect("words"))
            .expect("the plans are written");
        Self { _server: Server::start(&command, &port), port, folder }
    }

    /// Its address, as `SMTP_URL` takes it.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The idempotency keys of the mails of `sender` that it has taken, in order.
    ///
    /// # Panics
    ///
    /// When its notes can't be read.
    #[must_use]
    pub fn taken(&self, sender: &str) -> Vec<String> {
        let notes: PathBuf = self.folder.path().join("taken");
        if !notes.exists() {
            return Vec::new();
        }
        let notes = fs::read_to_string(notes).expect("its notes");
        notes.lines().filter_map(|line| line.strip_prefix(sender)?.strip_prefix(' ')).map(str::to_owned).collect()
    }
}
