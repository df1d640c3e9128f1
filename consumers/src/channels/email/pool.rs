//! Connections that wait for the next mail.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::session::Session;

/// Idle sessions, the one used last on top.
pub(super) struct Pool {
    idle: Mutex<Vec<Session>>,
    /// How many wait at most.
    size: usize,
    /// How long one may wait.
    max_idle: Duration,
    /// How many mails one may carry.
    max_mails: u32,
}

impl Pool {
    pub(super) const fn new(size: usize, max_idle: Duration, max_mails: u32) -> Self {
        Self { idle: Mutex::new(Vec::new()), size, max_idle, max_mails }
    }

    /// A session that was used lately. Those that have waited too long are closed.
    pub(super) fn take(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| session.used_at.elapsed() < self.max_idle);
        idle.pop()
    }

    /// Takes a session back, or gives it back if it has served its time.
    pub(super) fn put(&self, session: Session) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if session.mails >= self.max_mails || idle.len() >= self.size {
            return Some(session);
        }
        idle.push(session);
        None
    }
}
