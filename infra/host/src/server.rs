//! Serves HTTP to strangers: so many connections at a time, and so long for each to say what it wants.
//!
//! A connection has the process's attention while it has a whole request to be answered. Until then it is only tolerated: it is
//! closed when its time is up, when others need its place, and when the server stops.

mod connection;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io, time::Duration};

use axum::Router;
use connection::{Attention, attend};
use sendoff_consumers::Stop;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

/// How much is borne.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many connections there may be. Half of the 1,024 files that a process may usually have open: the data folder, mail
    /// servers and webhooks need the others.
    connections: usize,
    /// How long the head of a request may take, counted from when the one before was answered.
    head: Duration,
    /// How long the body may take after the head.
    body: Duration,
    /// How long a whole request may still be worked on after a stop was requested.
    answers: Duration,
    /// How long whatever else is on its way may take after a stop was requested.
    rest: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            answers: Duration::from_secs(5),
            rest: Duration::from_millis(500),
        }
    }
}

/// How long it waits after a connection couldn't be taken, and none could be closed.
const PAUSE: Duration = Duration::from_secs(1);

/// How soon it looks again for a connection that can be closed.
const LOOK: Duration = Duration::from_millis(50);

/// Serves until a stop is requested; then answers the whole requests, and closes everything else.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, stop: Stop) {
    let mut open = Open { tasks: JoinSet::new(), oldest: VecDeque::new(), told: false };
    loop {
        let accepted = tokio::select! {
            () = stop.requested() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::select! {
                    () = stop.requested() => break,
                    () = open.make_room(bounds.connections) => {}
                }
                let attention = Attention::default();
                let task = open.tasks.spawn(attend(stream, router.clone(), bounds, attention.clone(), stop.clone()));
                open.oldest.push_back((task, attention));
            }
            Err(error) if is_of_the_other_side(&error) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    connections = open.tasks.len(),
                    "a connection can't be taken; if too many files are open, raise the limit (`ulimit -n`)"
                );
                let pause = if open.close_half().await { LOOK } else { PAUSE };
                tokio::select! {
                    () = stop.requested() => break,
                    () = sleep(pause) => {}
                }
            }
        }
    }
    drop(listener);
    while open.tasks.join_next().await.is_some() {}
}

/// The connections.
struct Open {
    tasks: JoinSet<()>,
    /// Those that may still be open.
    oldest: VecDeque<(AbortHandle, Attention)>,
    /// That there are too many was told, and it hasn't become better since.
    told: bool,
}

impl Open {
    /// Returns when there is room for one more. At the limit the oldest one without a whole request is closed.
    async fn make_room(&mut self, most: usize) {
        while self.tasks.try_join_next().is_some() {}
        if self.oldest.len() >= 2 * most {
            self.forget_closed();
        }
        if self.tasks.len() < most / 2 {
            self.told = false;
        }
        while self.tasks.len() >= most {
            if !self.told {
                self.told = true;
                tracing::warn!(
                    most,
                    "there are too many connections; those that ask for nothing are closed for new ones"
                );
            }
            let patience = if self.close_oldest() { Duration::MAX } else { LOOK };
            let _ = timeout(patience, self.tasks.join_next()).await;
        }
    }

    /// Closes the oldest connection that has no whole request, if there is one.
    fn close_oldest(&mut self) -> bool {
        self.forget_closed();
        let at = self.oldest.iter().position(|(_, attention)| !attention.has());
        let closed = at.and_then(|at| self.oldest.remove(at));
        closed.inspect(|(task, _)| task.abort()).is_some()
    }

    /// Closes the older half of the connections, as far as they have no whole request; whether there was one. The process may
    /// have far fewer files open than is usual, and others than the server need some.
    async fn close_half(&mut self) -> bool {
        self.forget_closed();
        let most = self.oldest.len().div_ceil(2);
        let closed = (0..most).take_while(|_| self.close_oldest()).count();
        for _ in 0..closed {
            self.tasks.join_next().await;
        }
        closed > 0
    }

    fn forget_closed(&mut self) {
        self.oldest.retain(|(task, _)| !task.is_finished());
    }
}

/// The connection broke before it was taken: no reason to worry.
fn is_of_the_other_side(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
