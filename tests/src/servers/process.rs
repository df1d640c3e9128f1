//! A server as a process that can't outlive the tests.

use std::{
    io::Read as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// By when a server must take connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where servers are installed: beside what Cargo builds.
pub(super) fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.expect("tests run from Cargo's target folder").join("servers")
}

/// A port of this machine that nobody listens at.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A running server. It and whatever it has started are killed when it is dropped, and when the process that started it
/// ends in any way: then the pipe to the watcher around it closes.
pub struct Server {
    child: Child,
}

/// Starts its arguments in a process group of their own, and kills that group when its input ends.
const WATCHER: &str = r"
import os, signal, subprocess, sys, threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (child.wait(), os._exit(1)), daemon=True).start()
sys.stdin.buffer.read()
os.killpg(0, signal.SIGKILL)
";

impl Server {
    /// Starts `command` and waits until it takes connections at `port`.
    ///
    /// # Panics
    ///
    /// When it ends or takes none within a minute; the message holds what it said.
    #[must_use]
    pub fn start(command: &Command, port: u16) -> Self {
        use std::os::unix::process::CommandExt as _;
        let mut watcher = Command::new("python3");
        watcher.args(["-c", WATCHER]).arg(command.get_program()).args(command.get_args()).process_group(0);
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
        let mut server = Self { child: watcher.spawn().expect("python3 runs") };
        server.wait_for(port);
        server
    }

    fn wait_for(&mut self, port: u16) {
        #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
        let deadline = Instant::now() + PATIENCE;
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a process outside lives on the system's clock")]
            let late = Instant::now() > deadline;
            let ended = self.child.try_wait().expect("its state").is_some();
            if ended || late {
                let _ = self.child.kill();
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
