//! Where and how the process dies.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

/// Knows the places that a run has come to, and kills the process at one of them. Nothing of the process lives longer: it is SIGKILL.
#[derive(Default)]
pub(super) struct Death(Mutex<State>);

#[derive(Default)]
struct State {
    /// How often the run has come to each place.
    counts: HashMap<String, u64>,
    /// Every place so far, in order: `before step 2 #1`.
    passed: Vec<String>,
    appointment: Option<Appointment>,
}

struct Appointment {
    /// Where it comes.
    place: String,
    /// The file that is to say that it came.
    note: PathBuf,
}

impl Death {
    /// Begins anew to count. Dies at `place`, if the run comes there, and notes that it did.
    pub(super) fn begin(&self, appointment: Option<(String, PathBuf)>) {
        let appointment = appointment.map(|(place, note)| Appointment { place, note });
        *self.lock() = State { appointment, ..State::default() };
    }

    /// The places that the run has passed.
    pub(super) fn passed(&self) -> Vec<String> {
        self.lock().passed.clone()
    }

    /// A place at which it may die.
    pub(super) fn point(&self, place: String) {
        let mut state = self.lock();
        let count = state.counts.entry(place.clone()).or_default();
        *count += 1;
        let place = format!("{place} #{count}");
        if let Some(appointment) = &state.appointment
            && appointment.place == place
            // Whoever starts next must not die in the same run again, so without a note there is no death.
            && fs::write(&appointment.note, &place).is_ok()
        {
            let _ = kill_process(getpid(), Signal::KILL);
        }
        state.passed.push(place);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
