use std::{
    collections::HashMap,
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// What a line begins with that only asks whether something was done.
pub(super) const ASKS: char = '?';
/// The answer for what is done. Of what was asked for it may be another.
pub(super) const DONE: &str = "done";
const NOT_DONE: &str = "not done";

/// A provider that anyone can tell to do something, and that counts what it did. One line with an idempotency key is one
/// effect, answered by one line; with a `?` before it, it asks whether it was. Requests may be pipelined.
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    counted: Mutex<Counted>,
    more: Condvar,
}

/// What it has done.
#[derive(Default)]
pub struct Counted {
    /// How often, by idempotency key.
    pub effects: HashMap<String, u32>,
    /// How many effects in all.
    pub total: u64,
    /// How many connections are open.
    pub connections: u32,
}

impl Provider {
    /// A provider on a free port of this machine, which serves for as long as the process lives.
    ///
    /// # Errors
    ///
    /// When it can't listen.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared: Arc<Shared> = Arc::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                shared.lock().connections += 1;
                thread::spawn(move || {
                    // A client that was killed broke the connection; what had arrived is counted.
                    let _ = shared.serve(&stream);
                    shared.lock().connections -= 1;
                    shared.more.notify_all();
                });
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    pub fn counted(&self) -> MutexGuard<'_, Counted> {
        self.shared.lock()
    }

    /// Waits until `enough` is true of what it has done, at most for `patience`. Gives whether it is.
    pub fn wait(&self, patience: Duration, mut enough: impl FnMut(&Counted) -> bool) -> bool {
        let waited = self.shared.more.wait_timeout_while(self.shared.lock(), patience, |counted| !enough(counted));
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut answers = BufWriter::new(stream);
        let mut requests = BufReader::new(stream);
        let mut key = String::new();
        // Half a line at the end is a request that never arrived.
        while requests.read_line(&mut key)? > 0 && key.ends_with('\n') {
            let is_done = match key.trim_end().strip_prefix(ASKS) {
                Some(asked) => self.lock().effects.contains_key(asked),
                None => {
                    let mut counted = self.lock();
                    *counted.effects.entry(key.trim_end().to_owned()).or_insert(0) += 1;
                    counted.total += 1;
                    true
                }
            };
            self.more.notify_all();
            key.clear();
            writeln!(answers, "{}", if is_done { DONE } else { NOT_DONE })?;
            if requests.buffer().is_empty() {
                answers.flush()?;
            }
        }
        Ok(())
    }
}
