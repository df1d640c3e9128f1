//! Printing many things, one after the other, without keeping them.

use sendoff_host::Stopped;
use serde::Serialize;

use super::Output;
use crate::{Session, session::still, snapshot::Snapshot};

/// A list as JSON: one document, or a line for each. As a table it prints nothing.
pub(super) struct Stream {
    output: Output,
    count: u64,
}

impl Stream {
    pub(super) const fn new(output: Output) -> Self {
        Self { output, count: 0 }
    }

    /// Prints the next one.
    pub(super) fn item(&mut self, session: &mut Session, item: &impl Serialize) -> Result<(), Stopped> {
        match self.output {
            Output::Table => {}
            Output::Ndjson => {
                let text = serde_json::to_string(item).map_err(Stopped::failed)?;
                session.data(format_args!("{}\n", still(&text)))?;
            }
            Output::Json => {
                let before = if self.count == 0 { "[" } else { "," };
                let text = serde_json::to_string_pretty(item).map_err(Stopped::failed)?;
                session.data(format_args!("{before}\n  {}", still(&text).replace('\n', "\n  ")))?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Ends the document.
    pub(super) fn end(self, session: &mut Session) -> Result<(), Stopped> {
        match (self.output, self.count) {
            (Output::Json, 0) => session.data("[]\n")?,
            (Output::Json, _) => session.data("\n]\n")?,
            (Output::Table | Output::Ndjson, _) => {}
        }
        Ok(())
    }
}

/// What is said when no letter fits.
pub(super) fn nothing(snapshot: &Snapshot) -> Result<String, Stopped> {
    let queue = &snapshot.taken().queue;
    Ok(match snapshot.count()? {
        0 => format!("`{queue}` is empty"),
        _ => format!("no letter fits; `dlq groups {queue}` without conditions shows what there is"),
    })
}
