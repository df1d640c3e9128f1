//! Choosing letters and looking at them: verbs over a snapshot, in the process.

mod audits;
mod documents;
mod looks;
mod model;
mod properties;

use std::{path::PathBuf, sync::Arc, time::Duration};

use sendoff_dlq_tools::{
    Session,
    letter::Letter,
    snapshot::{Snapshot, Taken},
};
use sendoff_embedded::{Store, StoreOptions};
use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};

use crate::calls::{Ran, call};

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
        let session = Session {
            clock: Arc::new(Still),
            rng: Arc::new(Seven),
            variables: [("USER".to_owned(), "grace".to_owned())].into(),
            folder: self.folder.path().to_owned(),
            out_is_terminal: self.is_terminal,
            err_is_terminal: false,
            ..Session::of_this_process()
        };
        self.runtime.block_on(call(session, &[&["--data", "data"], arguments].concat()))
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
