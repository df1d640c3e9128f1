//! What is remembered of each parcel: as little as can be, since there may be millions.

use std::time::Duration;

use sendoff_events::EventId;

use crate::scenario::Kind;

/// One parcel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// The event's id; nothing but zeros while it isn't known.
    id: [u8; 16],
    /// Microseconds from the beginning of the run to its intended moment.
    due_us: u64,
    /// Microseconds from there until it was accepted; all bits set while it wasn't.
    ack_us: u32,
    /// What it is about or, for one that was sent again, which one.
    pub(super) other: u32,
    /// Where the moments stand at which it was done, one for each consumer; none for what nothing has to be ordered with.
    pub(super) slots: u32,
    /// Milliseconds from the beginning of the run until the last consumer so far was done with it; none once one has given it up.
    done_ms: u32,
    /// The consumers of which its end isn't known yet, one bit each.
    pub(super) pending: u16,
    pub(super) kind: Kind,
    pub(super) state: State,
}

/// How the sending went, and what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is on its way in.
    Sending(Sort),
    /// It was accepted.
    Accepted(Sort),
    /// Nobody answered, and it was found.
    Found(Sort),
    /// It certainly isn't there.
    Refused(Sort),
    /// It may be there or not.
    Unknown(Sort),
}

/// What was sent, without what stands elsewhere in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Event,
    Again,
    Poison,
}

/// No subject, no slots, no moment.
pub(super) const NONE: u32 = u32::MAX;

impl State {
    pub(super) const fn sort(self) -> Sort {
        match self {
            Self::Sending(sort)
            | Self::Accepted(sort)
            | Self::Found(sort)
            | Self::Refused(sort)
            | Self::Unknown(sort) => sort,
        }
    }

    /// Whether it is there.
    pub(super) const fn arrived(self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Found(_))
    }
}

impl Record {
    pub(super) fn new(due: Duration, kind: Kind, sort: Sort, id: Option<EventId>, other: u32) -> Self {
        Self {
            id: id.map_or([0; 16], |id| *id.as_bytes()),
            due_us: u64::try_from(due.as_micros()).unwrap_or(u64::MAX),
            ack_us: NONE,
            other,
            slots: NONE,
            done_ms: 0,
            pending: 0,
            kind,
            state: State::Sending(sort),
        }
    }

    pub(super) fn id(&self) -> Option<EventId> {
        (self.id != [0; 16]).then(|| EventId::from_bytes(self.id))
    }

    pub(super) fn set_id(&mut self, id: EventId) {
        self.id = *id.as_bytes();
    }

    pub(super) fn due(&self) -> Duration {
        Duration::from_micros(self.due_us)
    }

    /// How long after its intended moment it was accepted.
    pub(super) fn ack(&self) -> Option<Duration> {
        (self.ack_us != NONE).then(|| Duration::from_micros(self.ack_us.into()))
    }

    /// More than an hour counts as 71 minutes, the most that fits.
    pub(super) fn set_ack(&mut self, after: Duration) {
        self.ack_us = u32::try_from(after.as_micros()).unwrap_or(NONE).min(NONE - 1);
    }

    /// One of its consumers was done with it so long after the beginning of the run.
    pub(super) fn done_after(&mut self, time: Duration) {
        if self.done_ms != NONE {
            self.done_ms = self.done_ms.max(u32::try_from(time.as_millis()).unwrap_or(NONE - 1));
        }
    }

    /// One of its consumers has given it up: it will never be done at all of them.
    pub(super) fn given_up(&mut self) {
        self.done_ms = NONE;
    }

    /// Whether it is an event with which all its consumers were done within so much time.
    pub(super) fn is_done_within(&self, time: Duration) -> bool {
        let is_there =
            matches!(self.state, State::Accepted(Sort::Event) | State::Found(Sort::Event)) && self.id().is_some();
        is_there && self.pending == 0 && self.done_ms != NONE && u128::from(self.done_ms) <= time.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_parcel_takes_little_memory() {
        assert!(size_of::<Record>() <= 48, "{}", size_of::<Record>());
    }
}
