//! One call of the program: the time, the folder, and where output goes.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    sync::Arc,
};

use sendoff_events::Clock;
use sendoff_host::{Exit, Stopped, SystemClock};
use serde::Serialize;

/// What a call of the program needs of the world. Tests make their own.
pub struct Session {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The present folder.
    pub folder: PathBuf,
    /// Where data goes.
    pub out: Box<dyn Write + Send>,
    /// Where prose goes.
    pub err: Box<dyn Write + Send>,
    /// Whether a person looks at the prose: progress is shown there.
    pub err_is_terminal: bool,
}

impl Session {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
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

    /// Writes a value as JSON: laid out, or as one line.
    ///
    /// # Errors
    ///
    /// As [`data`](Self::data).
    pub fn json(&mut self, value: &impl Serialize, is_laid_out: bool) -> io::Result<()> {
        let text = if is_laid_out { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
        self.data(format_args!("{text}\n"))
    }

    /// How a call ends that came to `exit` and has shown it. Whoever reads it may have gone (`load run … | head`): that
    /// changes nothing about what came out.
    ///
    /// # Errors
    ///
    /// When the output can't be written; the exit code is what came out, unless all was well.
    pub fn ended(exit: Exit, shown: io::Result<()>) -> Result<Exit, Stopped> {
        match shown.map_err(Stopped::from) {
            Err(Stopped { message: Some(message), .. }) if exit != Exit::Done => Err(Stopped::new(exit, message)),
            Err(stopped) if stopped.message.is_some() => Err(stopped),
            Ok(()) | Err(_) => Ok(exit),
        }
    }

    /// Tells a person something. If nobody listens, that is fine.
    pub fn prose(&mut self, text: impl Display) {
        let _ = writeln!(self.err, "{text}");
    }
}
