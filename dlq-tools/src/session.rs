//! One call of the tool: the time, the environment, where output goes, and who is calling.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    sync::Arc,
};

use sendoff_embedded::program::print::lines;
use sendoff_events::{Clock, Rng};
use sendoff_host::{SystemClock, SystemRng};
use serde::Serialize;

use crate::disk::{self, Measure};

/// What a call of the tool needs of the world. Tests make their own.
pub struct Session {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, not for secrets.
    pub rng: Arc<dyn Rng>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The present folder.
    pub folder: PathBuf,
    /// The tool's own program, for what is better run apart.
    pub program: PathBuf,
    /// Tells how much room there is on a disk.
    pub disk: Measure,
    /// Where data goes.
    pub out: Box<dyn Write + Send>,
    /// Where prose goes.
    pub err: Box<dyn Write + Send>,
    /// Whether a person looks at the data.
    pub out_is_terminal: bool,
    /// Whether a person looks at the prose: progress is shown there.
    pub err_is_terminal: bool,
}

impl Session {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng::new()),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("dlq")),
            disk: disk::measure,
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Writes data, and out of the process at once.
    ///
    /// # Errors
    ///
    /// When it is taken no more; a reader that has gone is a broken pipe.
    pub fn data(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Writes a value as laid-out JSON.
    ///
    /// # Errors
    ///
    /// As [`data`](Self::data).
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.data(format_args!("{}\n", still(&text)))
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    ///
    /// As [`data`](Self::data).
    pub fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.data(format_args!("{}\n", still(&text)))
    }

    /// Tells a person something, without what would steer the terminal: it may be quoted out of any file. If nobody listens, that is
    /// fine.
    pub fn prose(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{}", lines(&text.to_string()));
    }
}

/// JSON with those control characters escaped that JSON allows as they are, and that move a terminal's cursor all the same.
pub(crate) fn still(text: &str) -> String {
    let mut still = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => still.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => still.push(c),
        }
    }
    still
}
