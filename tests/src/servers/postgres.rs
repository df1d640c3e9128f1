//! A real PostgreSQL 16: `pgserver` from PyPI carries one. It never runs as root, so where the tests do, it runs as nobody.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{port::Port, process::Server, python::venv};

const REQUIREMENTS: &str = include_str!("../../requirements/postgres.txt");

/// Nobody, and nobody's group, on every Linux and BSD.
const NOBODY: u32 = 65534;
/// Becomes nobody, and then the program that its arguments name.
const AS_NOBODY: &str = r"
import os, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.execv(sys.argv[1], sys.argv[1:])
";
/// By when it must answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own, which can be stopped and started again. User and password are `sendoff` and `open-sesame`.
pub struct Postgres {
    port: Port,
    programs: PathBuf,
    is_root: bool,
    folder: TempDir,
    server: Option<Server>,
}

impl Postgres {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it can't be installed or doesn't start; the message says why.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let is_root = fs::metadata(folder.path()).expect("the folder").uid() == 0;
        let mut programs = installed();
        if is_root {
            // What is installed may lie where nobody else than root gets in.
            programs = copied(&programs, folder.path());
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root gives folders away");
        }
        let password = folder.path().join("password");
        fs::write(&password, "open-sesame").expect("the password");
        let mut postgres = Self { port: Port::free(), programs, is_root, folder, server: None };
        let mut initdb = postgres.command("initdb");
        initdb.args(["--no-sync", "--locale=C", "--encoding=UTF8", "--username=sendoff", "--auth=scram-sha-256"]);
        initdb.arg("--pwfile").arg(password).arg("--pgdata").arg(postgres.data());
        let made = initdb.output().expect("python3 runs, or initdb");
        let said = String::from_utf8_lossy(&made.stderr);
        let hint =
            "as root the tests need to become another user (CAP_SETUID and CAP_SETGID), which PostgreSQL insists on";
        assert!(made.status.success(), "initdb failed: {said}\n{hint}");
        postgres.start_again();
        postgres
    }

    /// Where it is, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://sendoff:open-sesame@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// What its own client prints for a statement: a line for each row, with `|` between values.
    ///
    /// # Panics
    ///
    /// When the statement is refused.
    #[must_use]
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--command", sql]).arg(self.url());
        let ended = psql.current_dir(self.folder.path()).output().expect("psql runs");
        assert!(ended.status.success(), "{sql}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).trim().to_owned()
    }

    /// Stops it at once, as a crash would. What was committed stays.
    pub fn stop(&mut self) {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--silent", "--mode=immediate", "--pgdata"]).arg(self.data());
        let _ = stop.output();
        self.server = None;
    }

    /// Starts it where it was.
    ///
    /// # Panics
    ///
    /// When it doesn't start.
    pub fn start_again(&mut self) {
        let mut server = self.command("postgres");
        server.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        server.args(["-c", "unix_socket_directories=", "-D"]).arg(self.data()).current_dir(self.folder.path());
        self.server = Some(Server::start(&server, &self.port));
        self.wait();
    }

    /// It takes connections before it answers them.
    fn wait(&self) {
        #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
            let late = Instant::now() > deadline;
            assert!(!late, "PostgreSQL doesn't answer at port {}", self.port);
            // A condition outside of this process, with a deadline: it can only be asked again.
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of the package, as a user that it accepts.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !self.is_root {
            return Command::new(program);
        }
        let mut command = Command::new("python3");
        command.args(["-c", AS_NOBODY]).arg(program);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder of the programs that the package carries.
fn installed() -> PathBuf {
    let packages = venv("postgres", REQUIREMENTS).join("lib");
    let versions = fs::read_dir(packages).expect("the environment's packages");
    let mut programs = versions.flatten().map(|python| python.path().join("site-packages/pgserver/pginstall/bin"));
    programs.find(|programs| programs.exists()).expect("pgserver carries them")
}

/// A copy of the package below `folder`, with the libraries that it finds beside itself.
fn copied(programs: &Path, folder: &Path) -> PathBuf {
    let package = programs.ancestors().nth(2).expect("the package");
    let libraries = package.with_file_name("pgserver.libs");
    let mut copy = Command::new("cp");
    let copied = copy.arg("-r").args([package, &libraries]).arg(folder).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp can't copy {}", package.display());
    folder.join("pgserver/pginstall/bin")
}
