//! What the sinks of a system in this process have taken: each effect's key, so that one that happened twice is found. And what its
//! consumers have passed over.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_consumers::{Count, Meter, Span};

/// Bytes of a key in a file: its hash. Of ten million keys two have the same one in a run of 400,000.
const KEY: usize = 8;

/// The sinks.
#[derive(Default)]
pub(super) struct Sinks(Mutex<State>);

#[derive(Default)]
struct State {
    /// A file without a name for each consumer: the keys of millions of effects would be seen in the memory that is measured.
    files: BTreeMap<String, BufWriter<File>>,
    /// How many messages each consumer has passed over, having handled them before.
    suppressed: BTreeMap<String, u64>,
    /// Why one couldn't be written: then nobody can say any more.
    broken: Option<io::Error>,
}

impl Sinks {
    /// Forgets what was taken before.
    pub(super) fn begin(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages each consumer has passed over, having handled them before.
    pub(super) fn suppressed(&self) -> BTreeMap<String, u64> {
        self.state().suppressed.clone()
    }

    /// How many effects each sink has taken that it had taken before.
    pub(super) fn doubled(&self) -> io::Result<BTreeMap<String, u64>> {
        let mut state = self.state();
        if let Some(error) = &state.broken {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        let mut doubled = BTreeMap::new();
        for (consumer, file) in &mut state.files {
            file.flush()?;
            doubled.insert(consumer.clone(), repetitions(file.get_mut())?);
        }
        Ok(doubled)
    }
}

impl State {
    fn take(&mut self, consumer: &str, key: &str) -> io::Result<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish().to_le_bytes();
        if let Some(file) = self.files.get_mut(consumer) {
            return file.write_all(&hash);
        }
        let mut file = BufWriter::new(tempfile::tempfile()?);
        file.write_all(&hash)?;
        self.files.insert(consumer.to_owned(), file);
        Ok(())
    }
}

/// How many keys of the file stand before themselves in it. What is written next is appended.
fn repetitions(file: &mut File) -> io::Result<u64> {
    file.rewind()?;
    let (mut keys, mut reader, mut key) = (Vec::new(), BufReader::new(&mut *file), [0; KEY]);
    loop {
        match reader.read_exact(&mut key) {
            Ok(()) => keys.push(u64::from_le_bytes(key)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    file.seek(io::SeekFrom::End(0))?;
    keys.sort_unstable();
    Ok(keys.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64)
}

impl Meter for Sinks {
    fn count(&self, what: Count, consumer: &str, n: u64) {
        if what == Count::Duplicates {
            *self.state().suppressed.entry(consumer.to_owned()).or_default() += n;
        }
    }

    fn time(&self, _: Span, _: &str, _: Duration) {}

    fn sunk(&self, consumer: &str, key: &str) {
        let mut state = self.state();
        if let Err(error) = state.take(consumer, key) {
            state.broken.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_that_a_sink_took_twice_is_counted_there_also_when_it_was_counted_before() {
        let sinks = Sinks::default();
        for number in 0..5000 {
            sinks.sunk("email", &format!("email/{number}/ada"));
            sinks.sunk("sms", &format!("sms/{number}/ada"));
        }
        assert_eq!(sinks.doubled().unwrap(), [("email".into(), 0), ("sms".into(), 0)].into());
        sinks.sunk("email", "email/17/ada");
        sinks.sunk("email", "email/17/ada");
        sinks.sunk("email", "email/17/bjorn");
        for _ in 0..2 {
            assert_eq!(sinks.doubled().unwrap(), [("email".into(), 2), ("sms".into(), 0)].into());
        }
    }

    #[test]
    fn a_run_that_begins_knows_nothing_of_the_one_before() {
        let sinks = Sinks::default();
        sinks.sunk("email", "email/1/ada");
        sinks.sunk("email", "email/1/ada");
        sinks.begin();
        assert_eq!(sinks.doubled().unwrap(), BTreeMap::new());
    }
}
