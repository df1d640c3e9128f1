//! A call of the tool within the test's process, and the time and the numbers that it gets.

mod clock;

use std::{
    io::{self, Write},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(crate) use clock::SleepClock;
use sendoff_dlq_tools::{Session, dlq};
use sendoff_embedded::{OpenError, Store, StoreOptions};
use sendoff_events::{Clock, Rng};
use sendoff_host::{Exit, SystemClock};
use serde_json::Value;

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    /// With what it said as it stopped.
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    pub(crate) fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{self:#?}");
        self
    }

    /// The texts of this field in each line.
    pub(crate) fn all(&self, field: &str) -> Vec<String> {
        let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()[field].as_str().unwrap().to_owned();
        self.out.lines().map(text).collect()
    }
}

/// What was written.
#[derive(Clone, Default)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// After so many bytes nobody reads any more.
    goes_after: Option<usize>,
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.bytes.lock().unwrap();
        if self.goes_after.is_some_and(|most| written.len() >= most) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

/// Opens a data folder again. Its lock may last a moment longer than whoever had it: a process that another test begins just then has a
/// copy of all open files until it runs its own program.
pub(crate) fn open(folder: &Path, clock: Arc<dyn Clock>) -> Store {
    let options = StoreOptions { clock, ..StoreOptions::default() };
    let begun = SystemClock.now();
    loop {
        match Store::open(folder, options.clone()) {
            Err(OpenError::Locked { .. }) if SystemClock.now() < begun + Duration::from_secs(30) => {
                std::thread::yield_now();
            }
            opened => return opened.unwrap(),
        }
    }
}

/// Calls the tool in this session, and captures what it says.
pub(crate) async fn call(session: Session, arguments: &[&str]) -> Ran {
    call_until(session, arguments, None).await
}

/// The same, while whoever reads what it prints goes away after so many bytes.
pub(crate) async fn call_until(session: Session, arguments: &[&str], goes_after: Option<usize>) -> Ran {
    let (out, err) = (Captured { goes_after, ..Captured::default() }, Captured::default());
    let program = env!("CARGO_BIN_EXE_dlq").into();
    let mut session = Session { program, out: Box::new(out.clone()), err: Box::new(err.clone()), ..session };
    let arguments = [&["dlq"], arguments].concat();
    let (exit, message) = match dlq(arguments.into_iter().map(Into::into), &mut session).await {
        Ok(exit) => (exit, String::new()),
        Err(stopped) => (stopped.exit, stopped.message.unwrap_or_default()),
    };
    Ran { exit, out: out.text(), err: err.text() + &message }
}

/// Numbers that are the same in every run.
pub(crate) struct Counting(AtomicU64);

impl Counting {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Rng for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}
