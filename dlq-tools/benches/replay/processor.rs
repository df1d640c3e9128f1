//! Which processor a process is on.

use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps this thread, and what it starts, on one processor. Without one of that number it stays where it was.
pub(crate) fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    let _ = sched_setaffinity(None, &set);
}
