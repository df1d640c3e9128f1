//! What is told at once when somebody asks to stop: who sees nothing happen asks again, and the second time ends the waiting.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use sendoff_events::EventId;

use crate::{
    guards::Reason,
    report::time,
    run::{Progress, Watcher},
};

/// Tells of requests to stop, beside whoever watches the run.
pub(in crate::cli) struct Told<W> {
    pub(in crate::cli) watcher: Arc<W>,
    /// How long the run waits after its last send.
    pub(in crate::cli) drain: Duration,
    /// Whether a bar stands in the present line.
    pub(in crate::cli) is_terminal: bool,
}

impl<W: Watcher> Watcher for Told<W> {
    fn progress(&self, progress: &Progress) {
        self.watcher.progress(progress);
    }

    fn accepted(&self, events: &[(u64, EventId)]) -> io::Result<()> {
        self.watcher.accepted(events)
    }

    fn halted(&self, by: &Reason) {
        tell(self.is_terminal, &halted(by, self.drain));
    }

    fn cut_short(&self, by: &Reason) {
        tell(self.is_terminal, &cut_short(by));
    }
}

/// Tells that what was made for a run that sent nothing is taken back.
pub(in crate::cli) fn taken_back(by: &Reason, is_terminal: bool) {
    tell(
        is_terminal,
        &format!("{}: nothing was sent; what was made for the run is removed; {}", who(by), again(by, "leave it")),
    );
}

fn tell(is_terminal: bool, text: &str) {
    let before = if is_terminal { "\n" } else { "" };
    // If nobody listens, that is fine.
    let _ = writeln!(io::stderr().lock(), "{before}{text}");
}

fn halted(by: &Reason, drain: Duration) -> String {
    let drain = time(drain.as_secs_f64());
    let again = again(by, "stop waiting");
    format!("{}: nothing more is sent; waiting up to {drain} for what is under way; {again}", who(by))
}

fn cut_short(by: &Reason) -> String {
    format!("{}: everything was sent; a last look at the system, which takes a few seconds at most", who(by))
}

fn who(by: &Reason) -> String {
    match by {
        Reason::Signal(name) => name.clone(),
        other => other.to_string(),
    }
}

fn again(by: &Reason, what: &str) -> String {
    match by {
        Reason::Signal(name) if name == "Ctrl-C" => format!("press again to {what}"),
        _ => format!("ask again to {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_stop_says_what_comes_of_it_and_of_the_next_one() {
        let drain = Duration::from_secs(90);
        let told =
            "Ctrl-C: nothing more is sent; waiting up to 90.0 s for what is under way; press again to stop waiting";
        assert_eq!(halted(&Reason::Signal("Ctrl-C".into()), drain), told);
        let asked = Reason::Signal("SIGTERM".into());
        assert!(halted(&asked, drain).ends_with("; ask again to stop waiting"));
        assert!(cut_short(&asked).starts_with("SIGTERM: everything was sent; "));
    }
}
