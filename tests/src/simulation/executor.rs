//! A single-threaded executor with virtual time. Which ready task runs next is drawn from the seed; time stands still while
//! anything is ready and jumps to the next timer when nothing is.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use sendoff_events::{BoxFuture, Clock, Rng, Timestamp};

use crate::memory::lock;

/// When every simulation begins.
const EPOCH: i64 = 1_800_000_000_000;

/// The virtual machine: time, timers, randomness.
pub struct World {
    inner: Arc<Mutex<Inner>>,
    tasks: Vec<Task>,
}

struct Inner {
    now: i64,
    sequence: u64,
    timers: BTreeMap<(i64, u64), Due>,
    random: u64,
}

enum Due {
    Wake(Waker),
    Run(Box<dyn FnOnce() + Send>),
}

/// A set of tasks that die together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

struct Task {
    process: Process,
    future: BoxFuture<'static, ()>,
    ready: Arc<Ready>,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl World {
    /// A world whose every choice comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inner = Inner { now: EPOCH, sequence: 0, timers: BTreeMap::new(), random: seed };
        Self { inner: Arc::new(Mutex::new(inner)), tasks: Vec::new() }
    }

    /// Its time.
    #[must_use]
    pub fn clock(&self) -> WorldClock {
        WorldClock(self.inner.clone())
    }

    /// Its randomness.
    #[must_use]
    pub fn rng(&self) -> WorldRng {
        WorldRng(self.inner.clone())
    }

    /// Starts a task in a process.
    pub fn spawn(&mut self, process: Process, future: impl Future<Output = ()> + Send + 'static) {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        self.tasks.push(Task { process, future: Box::pin(future), ready });
    }

    /// Kills a process: its futures are dropped wherever they stand. What it had sent over the network still arrives.
    pub fn kill(&mut self, process: Process) {
        self.tasks.retain(|task| task.process != process);
    }

    /// How many tasks of a process are alive.
    #[must_use]
    pub fn alive(&self, process: Process) -> usize {
        self.tasks.iter().filter(|task| task.process == process).count()
    }

    /// Polls one ready task, or lets time pass to the next timer. Gives `false` when nothing is left that could happen.
    pub fn step(&mut self) -> bool {
        let ready: Vec<usize> =
            (0..self.tasks.len()).filter(|&i| self.tasks[i].ready.0.load(Ordering::Relaxed)).collect();
        if ready.is_empty() {
            return self.pass_time();
        }
        let chosen = ready[(self.rng().next_u64() % ready.len() as u64) as usize];
        let task = &mut self.tasks[chosen];
        task.ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.ready.clone());
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.swap_remove(chosen);
        }
        true
    }

    fn pass_time(&mut self) -> bool {
        let next = {
            let mut inner = lock(&self.inner);
            let Some(((at, _), due)) = inner.timers.pop_first() else { return false };
            inner.now = inner.now.max(at);
            due
        };
        match next {
            Due::Wake(waker) => waker.wake(),
            Due::Run(action) => action(),
        }
        true
    }
}

impl Inner {
    fn at(&mut self, after: Duration, due: Due) -> (i64, u64) {
        self.sequence += 1;
        let key = (self.now + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2), self.sequence);
        self.timers.insert(key, due);
        key
    }
}

/// Virtual time.
#[derive(Clone)]
pub struct WorldClock(Arc<Mutex<Inner>>);

impl WorldClock {
    /// Runs `action` after a while, whoever is alive then.
    pub fn later(&self, after: Duration, action: impl FnOnce() + Send + 'static) {
        lock(&self.0).at(after, Due::Run(Box::new(action)));
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(lock(&self.0).now).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { inner: self.0.clone(), until: None, duration, timer: None })
    }
}

struct Sleep {
    inner: Arc<Mutex<Inner>>,
    duration: Duration,
    until: Option<i64>,
    timer: Option<(i64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.inner.clone();
        let mut inner = lock(&shared);
        let duration = i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX / 2);
        let until = *self.until.get_or_insert(inner.now + duration);
        if let Some(timer) = self.timer.take() {
            inner.timers.remove(&timer);
        }
        if inner.now >= until {
            return Poll::Ready(());
        }
        let left = Duration::from_millis((until - inner.now).unsigned_abs());
        self.timer = Some(inner.at(left, Due::Wake(cx.waker().clone())));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            lock(&self.inner).timers.remove(&timer);
        }
    }
}

/// Randomness that follows from the seed: SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
#[derive(Clone)]
pub struct WorldRng(Arc<Mutex<Inner>>);

impl Rng for WorldRng {
    fn next_u64(&self) -> u64 {
        let mut inner = lock(&self.0);
        inner.random = inner.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = inner.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
