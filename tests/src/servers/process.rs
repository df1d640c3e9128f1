//! A server as a process that can't outlive the tests.

use std::{
    fs,
    io::Read as _,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::port::Port;

/// By when a server must take connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where servers are installed: beside what Cargo builds. It is there, whichever server comes first.
pub(super) fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let folder = target.expect("tests run from Cargo's target folder").join("servers");
    fs::create_dir_all(&folder).expect("a folder below the target folder");
    folder
}

/// A running server. It and whatever it has started are killed when it is dropped, and when the process that started it
/// ends in any way: then the pipe to the watcher around it closes. What they have put into the system's temporary folder is
/// gone with them: they have one of their own.
pub struct Server {
    child: Child,
    temporary: PathBuf,
}

/// Starts its arguments but the first in a process group of their own, with the folder that the first names as their
/// temporary one. Kills that group when its input ends, and takes the folder away.
const WATCHER: &str = r#"
import os, shutil, signal, subprocess, sys, threading, time
folder, command = sys.argv[1], sys.argv[2:]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, "TMPDIR": folder}, process_group=0)
ending = threading.Lock()
def end(code):
    ending.acquire()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    # What it has started dies at the same time, and may still be writing.
    for _ in range(500):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            break
        time.sleep(0.01)
    os._exit(code)
threading.Thread(target=lambda: (child.wait(), end(1)), daemon=True).start()
sys.stdin.buffer.read()
end(0)
"#;

impl Server {
    /// Starts `command` and waits until it takes connections at `port`.
    ///
    /// # Panics
    ///
    /// When it ends or takes none within a minute; the message holds what it said.
    #[must_use]
    pub fn start(command: &Command, port: &Port) -> Self {
        use std::os::unix::process::CommandExt as _;
        let temporary = tempfile::Builder::new().prefix("sendoff-tests-").tempdir().expect("a temporary folder").keep();
        let mut watcher = Command::new("python3");
        watcher.args(["-c", WATCHER]).arg(&temporary);
        watcher.arg(command.get_program()).args(command.get_args()).process_group(0);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => watcher.env(name, value),
                None => watcher.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            watcher.current_dir(folder);
        }
        watcher.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut server = Self { child: watcher.spawn().expect("python3 runs"), temporary };
        server.wait_for(port);
        server
    }

    /// Where it and what it has started keep what is gone with them.
    #[must_use]
    pub fn temporary_folder(&self) -> &Path {
        &self.temporary
    }

    fn wait_for(&mut self, port: &Port) {
        #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
        let deadline = Instant::now() + PATIENCE;
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).is_ok() {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
            let late = Instant::now() > deadline;
            let ended = self.child.try_wait().expect("its state").is_some();
            if ended || late {
                drop(self.child.stdin.take());
                let mut said = String::new();
                if let Some(mut stderr) = self.child.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                panic!("the server takes no connections at port {port}; it said: {said}");
            }
            // A condition outside of this process, with a deadline: it can only be asked again.
            thread::sleep(Duration::from_millis(10));
        }
        // Whatever it says from now on must not fill the pipe and block it.
        if let Some(mut stderr) = self.child.stderr.take() {
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts a file into its temporary folder, starts a process that does so too, and listens.
    const LEAVES_FILES: &str = r#"
import pathlib, socket, subprocess, sys, tempfile, time
folder = pathlib.Path(tempfile.gettempdir())
code = "import pathlib, sys, time\nwhile True: pathlib.Path(sys.argv[1]).touch(); time.sleep(0.001)"
subprocess.Popen([sys.executable, "-c", code, str(folder / "started")])
while not (folder / "started").exists(): time.sleep(0.001)
(folder / "own").touch()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: listener.accept()[0].close()
"#;

    #[test]
    fn a_server_takes_what_it_has_put_into_the_temporary_folder_with_it() {
        let port = Port::free();
        let mut command = Command::new("python3");
        command.args(["-c", LEAVES_FILES]).arg(port.to_string());
        let server = Server::start(&command, &port);
        let folder = server.temporary_folder().to_owned();
        assert!(folder.join("own").exists() && folder.join("started").exists(), "{}", folder.display());
        drop(server);
        assert!(!folder.exists(), "{} is left", folder.display());
    }

    #[test]
    fn so_does_one_that_ends_by_itself() {
        let port = Port::free();
        let code = "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1]))).accept()";
        let mut command = Command::new("python3");
        command.args(["-c", code]).arg(port.to_string());
        // It ends after the connection that shows that it takes some.
        let mut server = Server::start(&command, &port);
        // Waiting would close it, and end the watcher.
        let input = server.child.stdin.take();
        assert!(!server.child.wait().expect("its end").success());
        drop(input);
        assert!(!server.temporary_folder().exists(), "{} is left", server.temporary_folder().display());
    }
}
