//! One at a time on each run. Two that change the same run at once both come to their end without this, but one of them does its
//! work twice.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use futures::lock::{Mutex, MutexGuard};

/// How many locks there are: far more than runs that are changed at the same moment, since two runs may share one.
const LOCKS: usize = 1024;

/// A lock for each run, some of them shared.
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(LOCKS).collect())
    }
}

impl Locks {
    /// The lock of a run, as soon as nobody else holds it.
    pub(super) async fn of(&self, run: &str) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(run);
        self.0[hash as usize % LOCKS].lock().await
    }
}
