//! The journal of a run: what was about to be done, and what was done. Only added to.
//!
//! Letters are named by their place in the plan, from 0. A step that can't be taken back is written, and on the disk, before it is
//! taken: `intent` before a send, `sent` before a delete.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::JoinHandle,
};

use futures::channel::oneshot;
use sendoff_events::{BoxFuture, Timestamp};
use sendoff_host::{Exit, Stopped};
use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub step: Step,
}

/// What happens in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A process begins, or goes on with what another left.
    Begun {
        /// Who started it.
        by: String,
    },
    /// These are about to be sent.
    Intent {
        /// Which.
        n: Vec<u32>,
    },
    /// These weren't sent after all.
    Unsent {
        /// Which.
        n: Vec<u32>,
    },
    /// What was sent of these before doesn't count any more: they are sent once more.
    Anew {
        /// Which.
        n: Vec<u32>,
    },
    /// These may have been sent.
    Unknown {
        /// Which.
        n: Vec<u32>,
        /// Why nobody knows.
        why: String,
    },
    /// These were sent.
    Sent {
        /// Which.
        n: Vec<u32>,
        /// What the broker calls the copies, in the same order.
        ids: Vec<String>,
    },
    /// These were deleted from the dead-letter queue.
    Deleted {
        /// Which.
        n: Vec<u32>,
    },
    /// These aren't in the dead-letter queue any more.
    Gone {
        /// Which.
        n: Vec<u32>,
    },
    /// These aren't sent.
    Skipped {
        /// Which.
        n: Vec<u32>,
        /// Why.
        why: String,
    },
    /// These can't be sent for now. Whoever goes on with the run tries again.
    Left {
        /// Which.
        n: Vec<u32>,
        /// Why.
        why: String,
    },
    /// Their consumer has come to an end with these, and they didn't come back.
    Ended {
        /// Which.
        n: Vec<u32>,
    },
    /// These failed again.
    Returned {
        /// Which.
        n: Vec<u32>,
    },
    /// The records of these are about to be opened, so that their job runs once more.
    Reopened {
        /// Which.
        n: Vec<u32>,
    },
    /// A step of the ladder was sent and watched.
    Rung {
        /// How many were sent in all.
        sent: u64,
    },
    /// The run waits to be gone on with.
    Paused {
        /// Why.
        why: String,
    },
    /// The run is over before its end.
    Aborted {
        /// Who wanted that.
        by: String,
    },
    /// The run is over.
    Finished {},
}

/// A journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It isn't what was written.
    #[error("the journal {} is damaged in line {line}: {why}. Don't go on with this run: compare the queue with it by hand", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// The file system failed.
    #[error("the journal {} can't be used: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It couldn't be written; nothing more is done.
    #[error("the journal can't be written: {0}")]
    Closed(String),
}

impl From<JournalError> for Stopped {
    fn from(error: JournalError) -> Self {
        let exit = if matches!(error, JournalError::Damaged { .. }) { Exit::Refused } else { Exit::Failed };
        Self::new(exit, error)
    }
}

/// Where steps are written down.
pub trait Journal: Send + Sync {
    /// Adds a line. Resolves once it would survive a crash.
    fn write(&self, line: Line) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// Reads the lines of a journal, each given to `see`. A last line that is torn counts as not written: whatever it would have
/// allowed wasn't done. Gives how many bytes are whole.
///
/// # Errors
///
/// [`JournalError`]; a journal that isn't there has no lines.
pub fn read(path: &Path, mut see: impl FnMut(Line)) -> Result<u64, JournalError> {
    let failed = |source| JournalError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let (mut reader, mut line, mut whole, mut number) = (BufReader::new(file), Vec::new(), 0, 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
        number += 1;
        let Some(text) = line.strip_suffix(b"\n") else { return Ok(whole) };
        match serde_json::from_slice(text) {
            Ok(read) => see(read),
            // A crash of the machine may leave the end of the file as anything at all.
            Err(_) if reader.fill_buf().map_err(failed)?.is_empty() => return Ok(whole),
            Err(error) => {
                return Err(JournalError::Damaged { path: path.to_owned(), line: number, why: error.to_string() });
            }
        }
        whole += read as u64;
    }
}

type Wish = (Vec<u8>, oneshot::Sender<Result<(), String>>);

/// A journal in a file. Lines that come while the disk is busy are written together.
pub struct FileJournal {
    wishes: Option<mpsc::Sender<Wish>>,
    writer: Option<JoinHandle<()>>,
}

impl FileJournal {
    /// Opens the journal at `path` to add to it after its first `whole` bytes; what follows them is cut off. Only its owner can read it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn open(path: &Path, whole: u64) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(failed)?;
        // The file's name has to survive a crash of the machine, too.
        let folder = path.parent().map(File::open).transpose().map_err(failed)?;
        folder.map_or(Ok(()), |folder| folder.sync_all()).map_err(failed)?;
        let (wishes, todo) = mpsc::channel();
        let writer = std::thread::Builder::new().name("journal".into());
        let writer = writer.spawn(move || write_all(&mut file, &todo)).map_err(failed)?;
        Ok(Self { wishes: Some(wishes), writer: Some(writer) })
    }
}

impl Journal for FileJournal {
    fn write(&self, line: Line) -> BoxFuture<'_, Result<(), JournalError>> {
        let (answer, written) = oneshot::channel();
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        let asked = self.wishes.as_ref().is_some_and(|wishes| wishes.send((text, answer)).is_ok());
        Box::pin(async move {
            let closed = || Err("its writer has ended".to_owned());
            let written = if asked { written.await.unwrap_or_else(|_| closed()) } else { closed() };
            written.map_err(JournalError::Closed)
        })
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        drop(self.wishes.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_all(file: &mut File, todo: &mpsc::Receiver<Wish>) {
    while let Ok(first) = todo.recv() {
        let wishes: Vec<Wish> = std::iter::once(first).chain(todo.try_iter()).collect();
        let text = wishes.iter().map(|(text, _)| &text[..]).collect::<Vec<_>>().concat();
        let written = file.write_all(&text).and_then(|()| file.sync_data()).map_err(|error| error.to_string());
        let failed = written.is_err();
        for (_, answer) in wishes {
            let _ = answer.send(written.clone());
        }
        // What follows a torn line could not be read: better to write nothing more.
        if failed {
            return;
        }
    }
}
