//! Choosing letters and looking at them: verbs over a snapshot, in the process.

mod audits;
mod documents;
mod looks;
mod model;
mod properties;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use sendoff_dlq_tools::{
    Session, dlq,
    letter::Letter,
    snapshot::{Snapshot, Taken},
};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};
use sendoff_host::Exit;
use serde_json::Value;

/// When everything here happens.
fn now() -> Timestamp {
    "2026-11-26T03:00:00Z".parse().unwrap()
}

/// A clock that stands.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

struct Seven;

impl Rng for Seven {
    fn next_u64(&self) -> u64 {
        7
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a call came to.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Ran {
    fn expect(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{self:#?}");
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The texts of this field in each line.
    fn all(&self, field: &str) -> Vec<String> {
        let text = |line: &str| serde_json::from_str::<Value>(line).unwrap()[field].as_str().unwrap().to_owned();
        self.out.lines().map(text).collect()
    }
}

/// A data folder with the queue `email-dlq`, and a snapshot of it.
struct Desk {
    folder: tempfile::TempDir,
    store: Store,
    runtime: tokio::runtime::Runtime,
    is_terminal: bool,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = StoreOptions { clock: Arc::new(Still), ..StoreOptions::default() };
        let store = Store::open(folder.path().join("data"), options).unwrap();
        runtime.block_on(store.queue("email")).unwrap();
        Self { folder, store, runtime, is_terminal: false }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("letters.db")
    }

    /// The snapshot holds these, instead of whatever it held.
    fn snapshot(&self, letters: &[Letter]) -> Snapshot {
        let _ = std::fs::remove_file(self.file());
        let deployment = self.store.dead_letter_queues().deployment();
        let mut snapshot = Snapshot::create(&self.file(), taken(deployment, letters.len() as u64)).unwrap();
        snapshot.add(letters).unwrap();
        snapshot
    }

    /// Calls the tool with these arguments, on the data folder.
    fn call(&self, arguments: &[&str]) -> Ran {
        let (out, err) = (Captured::default(), Captured::default());
        let mut session = Session {
            clock: Arc::new(Still),
            rng: Arc::new(Seven),
            variables: [("USER".to_owned(), "grace".to_owned())].into(),
            folder: self.folder.path().to_owned(),
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            out_is_terminal: self.is_terminal,
            err_is_terminal: false,
        };
        let arguments = ["dlq", "--data", "data"].iter().chain(arguments).map(|&argument| argument.into());
        let result = self.runtime.block_on(dlq(arguments.collect::<Vec<_>>(), &mut session));
        let text = |captured: &Captured| String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let (exit, message) = match result {
            Ok(exit) => (exit, None),
            Err(stopped) => (stopped.exit, stopped.message),
        };
        Ran { exit, out: text(&out), err: text(&err) + &message.unwrap_or_default() }
    }

    /// Calls a verb on the snapshot.
    fn look(&self, verb: &str, arguments: &[&str]) -> Ran {
        self.call(&[&[verb, "email", "--snapshot", "letters.db"], arguments].concat())
    }
}

fn taken(deployment: String, depth: u64) -> Taken {
    Taken {
        deployment,
        queue: "email-dlq".into(),
        target: Some("email".into()),
        retention_s: Some(14 * 86_400),
        fifo: false,
        begun_at: now(),
        ended_at: Some(now()),
        depth,
        leased: 0,
        released: 0,
        receives: 0,
        is_cut_off: false,
    }
}
