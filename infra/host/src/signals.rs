//! Requests to stop: Ctrl-C, and where there are such things, SIGTERM and the terminal that is gone (SIGHUP).

use std::io;

/// Waits for requests to stop, as often as they come.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    /// `None` when nobody is to hear it: the program outlives its terminal, or has heard it already.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on. What was begun so that it outlives its terminal (`nohup`) doesn't hear that the terminal is gone.
    ///
    /// # Errors
    ///
    /// When the system doesn't let it.
    pub fn listen() -> io::Result<Self> {
        Self::listening(!outlives_its_terminal())
    }

    fn listening(hears_hangups: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = hears_hangups.then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hangup })
    }

    /// The next request; its name. A terminal that is gone is one request, however many say so: its shell does, and the system.
    pub async fn next(&mut self) -> &'static str {
        let Self { terminate, interrupt, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
            () = hung_up => {
                self.hangup = None;
                "SIGHUP"
            }
        }
    }
}

/// Whether SIGHUP is ignored, as `nohup` has it, or nobody can tell: then it is left as it is.
#[cfg(unix)]
fn outlives_its_terminal() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangup(&status).unwrap_or(true))
}

/// Whether SIGHUP is among the signals that a process with this status ignores; it is the first.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> Option<bool> {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    Some(u64::from_str_radix(ignored.trim(), 16).ok()? & 1 == 1)
}

#[cfg(not(unix))]
impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system doesn't let it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next request; its name.
    pub async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without signals it runs until it is killed; that loses nothing either.
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Signals, ignores_hangup};

    fn signal(name: &str) {
        let killed = Command::new("kill").args([format!("-{name}"), std::process::id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    #[tokio::test]
    async fn a_terminal_that_is_gone_is_one_request_to_stop() {
        // Whatever runs the tests may itself have been begun so that it outlives its terminal.
        let mut signals = Signals::listening(true).unwrap();
        signal("HUP");
        assert_eq!(signals.next().await, "SIGHUP");
        signal("HUP");
        signal("TERM");
        assert_eq!(signals.next().await, "SIGTERM");
    }

    #[test]
    fn a_status_says_whether_hangups_are_ignored() {
        let status =
            |ignored: &str| format!("Name:\tsendoff\nSigBlk:\t0000000000000000\nSigIgn:\t{ignored}\nSigCgt:\tf\n");
        assert_eq!(ignores_hangup(&status("0000000000001001")), Some(true));
        assert_eq!(ignores_hangup(&status("0000000000001000")), Some(false));
        assert_eq!(ignores_hangup(&status("?")), None);
        assert_eq!(ignores_hangup("Name:\tsendoff\n"), None);
    }
}
