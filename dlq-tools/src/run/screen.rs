//! Progress, as a person sees it: a bar on a terminal, and a line now and then elsewhere.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sendoff_embedded::program::print::one_line;
use sendoff_events::{Clock, Timestamp};

use super::{Progress, Watcher, progress::PAUSED};

/// How often there is a line where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of a run.
pub struct Screen {
    bar: Option<ProgressBar>,
    clock: Arc<dyn Clock>,
    lines: Mutex<Lines>,
}

struct Lines {
    to: Box<dyn Write + Send>,
    next: Timestamp,
}

impl Screen {
    /// Writes to `to`, which is a terminal or isn't.
    #[must_use]
    pub fn new(to: Box<dyn Write + Send>, is_terminal: bool, clock: Arc<dyn Clock>) -> Self {
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let next = clock.now().checked_add(EVERY).unwrap_or(Timestamp::MAX);
        Self { bar, clock, lines: Mutex::new(Lines { to, next }) }
    }

    /// Gives back what it wrote to.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn Write + Send> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let lines = self.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        lines.to
    }
}

impl Watcher for Screen {
    fn progress(&self, progress: &Progress) {
        let Progress { planned, sent, returned, skipped, ambiguous, rate, eta_s, doing, watching, .. } = progress;
        let eta = eta_s.map(|eta| format!(", {eta} s to go")).unwrap_or_default();
        let doing = match watching {
            Some(watching) => watching.to_string(),
            None if *doing == PAUSED => format!("{PAUSED}, until `dlq resume`"),
            None => format!("{doing}: {rate:.0} a second{eta}"),
        };
        let text = format!("{doing}; {returned} returned, {skipped} skipped, {ambiguous} ambiguous");
        if let Some(bar) = &self.bar {
            bar.set_length(*planned);
            bar.set_position(*sent);
            bar.set_message(text);
            return;
        }
        let now = self.clock.now();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let next = now.checked_add(EVERY).unwrap_or(Timestamp::MAX);
        // It is further ahead only after the clock was set back.
        if now >= lines.next || lines.next > next {
            lines.next = next;
            // If nobody listens, that is fine.
            let _: io::Result<()> = writeln!(lines.to, "{sent} of {planned}, {text}");
        }
    }

    fn note(&self, text: &str) {
        let text = one_line(text);
        match &self.bar {
            Some(bar) => bar.println(text),
            None => {
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let _: io::Result<()> = writeln!(lines.to, "{text}");
            }
        }
    }
}
