//! What the stub holds, and what it has seen.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
    io,
};

use super::{Seen, letters::Letters};

/// When a letter can be received that is gone.
pub(super) const GONE: i64 = i64::MAX;

/// A letter in its queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    /// From when on it can be received, in milliseconds; 0 when it can, [`GONE`] when it is deleted.
    pub(super) hidden_until: i64,
    /// How often it was received: the latest lease.
    pub(super) lease: u32,
}

/// All of it.
pub(super) struct State {
    pub(super) url: String,
    pub(super) letters: Letters,
    pub(super) slots: Vec<Slot>,
    /// Those that can be received, the next one first.
    pub(super) ready: VecDeque<u64>,
    /// When those that are hidden come back; what is out of date is passed over.
    pub(super) hidden: BinaryHeap<Reverse<(i64, u64)>>,
    pub(super) leased: u64,
    pub(super) left: u64,
    /// How often the event of each letter was sent to the consumer's queue.
    pub(super) sent: Vec<u8>,
    pub(super) sends: u64,
    pub(super) wrong: u64,
    /// Items that were put, by table and key.
    pub(super) items: HashMap<String, String>,
    calls: BTreeMap<String, u64>,
}

impl State {
    pub(super) fn new(letters: u64, url: String) -> io::Result<Self> {
        let count = usize::try_from(letters).map_err(io::Error::other)?;
        Ok(Self {
            url,
            letters: Letters::new()?,
            slots: vec![Slot::default(); count],
            ready: (0..letters).collect(),
            hidden: BinaryHeap::new(),
            leased: 0,
            left: letters,
            sent: vec![0; count],
            sends: 0,
            wrong: 0,
            items: HashMap::new(),
            calls: BTreeMap::new(),
        })
    }

    pub(super) fn count(&mut self, call: &str) {
        match self.calls.get_mut(call) {
            Some(count) => *count += 1,
            None => drop(self.calls.insert(call.to_owned(), 1)),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        let twice = self.sent.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
        Seen {
            calls: self.calls.clone(),
            left: self.left,
            leased: self.leased,
            sent: self.sends,
            twice,
            wrong: self.wrong,
        }
    }

    /// Lets letters come back whose lease is over.
    pub(super) fn wake(&mut self, now: i64) {
        while let Some(&Reverse((until, number))) = self.hidden.peek() {
            if until > now {
                return;
            }
            self.hidden.pop();
            let Some(slot) = slot(&mut self.slots, number) else { continue };
            if slot.hidden_until == until {
                slot.hidden_until = 0;
                self.leased -= 1;
                self.ready.push_back(number);
            }
        }
    }
}

pub(super) fn slot(slots: &mut [Slot], number: u64) -> Option<&mut Slot> {
    slots.get_mut(usize::try_from(number).ok()?)
}
