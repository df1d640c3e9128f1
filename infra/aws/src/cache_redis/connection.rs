//! One connection that all share, made when it is needed and made anew when it is broken.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, aio::MultiplexedConnection};
use sendoff_consumers::cache::SharedCacheError;

/// By when a connection must stand, TLS and password included. Whoever asks waits less long; it is made in the background.
const CONNECT: Duration = Duration::from_secs(5);
/// So many questions in a row without an answer, and the connection is taken for dead: a network that is cut says nothing.
const SILENCE: u32 = 3;

type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, SharedCacheError>>>;

pub(super) struct Connection {
    client: Client,
    current: Mutex<Option<Connecting>>,
    unanswered: AtomicU32,
}

/// A question that somebody waits for. Dropped before it is over, it counts as unanswered.
struct Waiting<'a> {
    unanswered: &'a AtomicU32,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.unanswered.fetch_add(1, Relaxed);
        }
    }
}

impl Connection {
    /// A connection to be made.
    pub(super) const fn to(client: Client) -> Self {
        Self { client, current: Mutex::new(None), unanswered: AtomicU32::new(0) }
    }

    /// Asks the server. After a failure that isn't the server's own answer, the next one connects anew.
    pub(super) async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        question: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, SharedCacheError> {
        let connecting = self.current();
        let mut waiting = Waiting { unanswered: &self.unanswered, is_over: false };
        let result = match connecting.clone().await {
            Ok(server) => question(server).await.map_err(|error| {
                if error.is_unrecoverable_error() || error.is_io_error() {
                    self.forget(&connecting);
                }
                told(&error)
            }),
            Err(error) => {
                self.forget(&connecting);
                Err(error)
            }
        };
        waiting.is_over = true;
        self.unanswered.store(0, Relaxed);
        result
    }

    /// The connection; a new one where there is none, or where it is taken for dead.
    fn current(&self) -> Connecting {
        let mut current = self.lock();
        if self.unanswered.load(Relaxed) >= SILENCE {
            self.unanswered.store(0, Relaxed);
            *current = None;
        }
        current.get_or_insert_with(|| self.connect()).clone()
    }

    /// Lets the next question connect anew, unless an earlier one did already.
    fn forget(&self, broken: &Connecting) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|current| current.ptr_eq(broken)) {
            *current = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connecting>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Connecting {
        let client = self.client.clone();
        let connecting = async move {
            let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| told(&error))
        };
        let connecting = connecting.boxed().shared();
        // It goes on when the look-up that wanted it is answered from elsewhere.
        tokio::spawn(connecting.clone().map(drop));
        connecting
    }
}

fn told(error: &RedisError) -> SharedCacheError {
    SharedCacheError(error.to_string())
}
