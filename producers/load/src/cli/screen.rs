//! Progress, as a person sees it: a bar on a terminal, and a line now and then elsewhere.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sendoff_events::EventId;

use super::folder::Folder;
use crate::run::{Progress, Watcher};

/// How many seconds there are between two lines where there is no terminal.
const EVERY: f64 = 10.0;

/// Shows how a run goes on, and remembers what was accepted.
pub(super) struct Screen {
    bar: Option<ProgressBar>,
    folder: Arc<Folder>,
    next: Mutex<f64>,
}

impl Screen {
    pub(super) fn new(folder: Arc<Folder>, is_terminal: bool) -> Self {
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, folder, next: Mutex::new(EVERY) }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Screen {
    fn progress(&self, progress: &Progress) {
        let Progress { expected, counts, backlog, at } = progress;
        let on_way = counts.sent.saturating_sub(counts.accepted + counts.refused + counts.unknown);
        let backlog = backlog.map_or_else(|| "unknown".into(), |backlog| backlog.to_string());
        let mut text = format!("accepted {}, on their way {on_way}, backlog {backlog}", counts.accepted);
        text.push_str(&format!(", ended {} of {} deliveries", counts.ended, counts.expected));
        if counts.refused + counts.unknown > 0 {
            text.push_str(&format!(", refused {}, not answered {}", counts.refused, counts.unknown));
        }
        if let Some(bar) = &self.bar {
            bar.set_length((*expected).max(counts.sent));
            bar.set_position(counts.sent);
            bar.set_message(text);
            return;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if *at >= *next {
            *next = *at + EVERY;
            // If nobody listens, that is fine.
            let _ = writeln!(io::stderr().lock(), "{at:.0} s: sent {} of {expected}, {text}", counts.sent);
        }
    }

    fn accepted(&self, events: &[(u64, EventId)]) -> io::Result<()> {
        self.folder.accepted(events)
    }
}
