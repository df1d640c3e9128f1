//! Who waits for what: a commit wakes the long polls that it concerns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// The bells of all queues and of the change stream.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    queues: Mutex<HashMap<i64, Arc<Notify>>>,
    /// Rings when records were changed.
    pub(crate) changes: Notify,
}

impl Signals {
    /// The bell of a queue. It rings when a message may have become visible earlier than was known.
    pub(crate) fn queue(&self, id: i64) -> Arc<Notify> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(id).or_default().clone()
    }

    /// Rings the bells of these queues.
    pub(crate) fn wake(&self, queues: &[i64]) {
        let bells = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in queues.iter().filter_map(|id| bells.get(id)) {
            bell.notify_waiters();
        }
    }
}
