//! A bulkhead between tenants: those whose messages take long leave some of a worker's slots to the others.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sendoff_events::{Rng, Timestamp};

use crate::moments::{later, since};

/// A tenant whose messages take as long on average is slow.
const SLOW: Duration = Duration::from_secs(1);
/// How much the last message counts in the average: one part of so many.
const LAST: u32 = 8;
/// One slot of so many is kept from slow tenants.
const KEPT: usize = 4;
/// How many tenants are remembered at most. Those beyond count as quick.
const MAX_TENANTS: usize = 10_000;
/// How long the line of those who wait for a slot gets at most. Whoever comes later is put somewhere in it.
const MAX_LINE: Duration = Duration::from_secs(900);

/// Of a worker's slots, all slow tenants together hold at most three quarters. Whoever isn't slow may hold any.
///
/// A tenant is slow whose messages take a second on average, those that came last counting most: its endpoints don't answer, say.
/// Such a message that finds no slot is given back at once, to come again when it may be its turn; it never began, so no attempt
/// is used up. A tenant that nobody knows yet isn't slow: it may hold up the others once, for as long as its first messages take.
pub(super) struct Bulkhead {
    /// How many slots slow tenants may hold.
    room: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Those who were slow lately, by name.
    tenants: HashMap<String, Tenant>,
    /// How many slots slow tenants hold.
    held: usize,
}

struct Tenant {
    /// How long its messages take on average.
    mean: Duration,
    /// The last turn that was given away.
    turn: Timestamp,
    /// Whether it was told that it has to wait.
    told: bool,
}

/// A message's slot.
pub(super) struct Seat {
    began: Timestamp,
    slow: bool,
}

impl Bulkhead {
    /// Between the tenants that share `slots`.
    pub(super) fn new(slots: usize) -> Self {
        Self { room: slots - slots / KEPT, inner: Mutex::default() }
    }

    /// Takes a slot for a message of `tenant`, or tells how long it has to wait. Whoever has a seat must [`leave`](Self::leave).
    pub(super) fn enter(&self, tenant: Option<&str>, now: Timestamp, rng: &dyn Rng) -> Result<Seat, Duration> {
        let mut inner = self.inner();
        let Inner { tenants, held } = &mut *inner;
        let slow = tenant.and_then(|name| tenants.get_mut(name)).filter(|tenant| tenant.mean >= SLOW);
        match (slow, tenant) {
            (Some(slow), Some(name)) if *held >= self.room => {
                if !std::mem::replace(&mut slow.told, true) {
                    let seconds = slow.mean.as_secs_f64();
                    tracing::warn!(tenant = name, seconds, "messages of this tenant take long; some have to wait");
                }
                Err(slow.next_turn(self.room, now, rng))
            }
            (slow, _) => {
                let slow = slow.is_some();
                *held += usize::from(slow);
                Ok(Seat { began: now, slow })
            }
        }
    }

    /// How many slots slow tenants hold.
    pub(super) fn held(&self) -> usize {
        self.inner().held
    }

    /// Gives the slot back.
    pub(super) fn leave(&self, tenant: Option<&str>, seat: &Seat, now: Timestamp) {
        let took = since(seat.began, now);
        let mut inner = self.inner();
        inner.held -= usize::from(seat.slow);
        let Some(name) = tenant else { return };
        if let Some(tenant) = inner.tenants.get_mut(name) {
            tenant.mean = mean(tenant.mean, took);
            if tenant.mean < SLOW / LAST {
                inner.tenants.remove(name);
            }
        } else if took >= SLOW {
            inner.remember(name, Tenant { mean: mean(Duration::ZERO, took), turn: now, told: false });
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, name: &str, tenant: Tenant) {
        if self.tenants.len() >= MAX_TENANTS {
            self.tenants.retain(|_, tenant| tenant.mean >= SLOW);
        }
        if self.tenants.len() < MAX_TENANTS {
            self.tenants.insert(name.to_owned(), tenant);
        }
    }
}

impl Tenant {
    /// How long one that finds no slot waits: each comes as much later than the one before it as slots become free.
    fn next_turn(&mut self, room: usize, now: Timestamp, rng: &dyn Rng) -> Duration {
        let apart = self.mean / u32::try_from(room).unwrap_or(u32::MAX).max(1);
        let turn = later(self.turn.max(now), apart);
        if since(now, turn) > MAX_LINE {
            return MAX_LINE.mul_f64(rng.next_f64());
        }
        self.turn = turn;
        since(now, turn)
    }
}

fn mean(so_far: Duration, took: Duration) -> Duration {
    (so_far * (LAST - 1)).saturating_add(took) / LAST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::doubles::Counting;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        later(Timestamp::from_second(1_700_000_000).unwrap(), SECOND * u32::try_from(seconds).unwrap())
    }

    fn enter(bulkhead: &Bulkhead, tenant: &str, now: Timestamp) -> Result<Seat, Duration> {
        bulkhead.enter(Some(tenant), now, &Counting::default())
    }

    /// A bulkhead of eight slots that knows `slow` as slow.
    fn with_slow(slow: &[&str]) -> Bulkhead {
        let bulkhead = Bulkhead::new(8);
        for tenant in slow {
            let seat = enter(&bulkhead, tenant, at(0)).unwrap_or_else(|_| panic!("{tenant} has to wait"));
            bulkhead.leave(Some(tenant), &seat, at(8));
        }
        bulkhead
    }

    #[test]
    fn slow_tenants_leave_a_quarter_to_the_others_and_queue_up_for_the_rest() {
        let bulkhead = with_slow(&["slow", "too"]);
        let seats: Vec<_> = (0..6).map(|i| enter(&bulkhead, ["slow", "too"][i % 2], at(8)).ok().unwrap()).collect();
        let waits: Vec<_> = (0..3).map(|_| enter(&bulkhead, "slow", at(8)).err().unwrap()).collect();
        assert_eq!(waits, [1, 2, 3].map(|turn| SECOND / 6 * turn), "one turn after the other, as slots become free");
        for _ in 0..2 {
            assert!(enter(&bulkhead, "quick", at(8)).is_ok());
            assert!(bulkhead.enter(None, at(8), &Counting::default()).is_ok());
        }
        bulkhead.leave(Some("slow"), &seats[0], at(16));
        assert!(enter(&bulkhead, "slow", at(16)).is_ok());
        assert!(enter(&bulkhead, "too", at(16)).is_err());
    }

    #[test]
    fn whoever_gets_quick_again_may_use_all_and_is_forgotten() {
        let bulkhead = with_slow(&["slow"]);
        let mut quick = 0;
        while bulkhead.inner().tenants.contains_key("slow") {
            let seat = enter(&bulkhead, "slow", at(8)).ok().unwrap();
            bulkhead.leave(Some("slow"), &seat, at(8));
            quick += 1;
        }
        assert_eq!(quick, 16, "from a second to an eighth of it");
        assert_eq!(bulkhead.held(), 0);
        assert!((0..8).all(|_| enter(&bulkhead, "slow", at(8)).is_ok()));
    }

    #[test]
    fn one_message_that_takes_a_few_seconds_makes_nobody_slow() {
        let bulkhead = Bulkhead::new(8);
        let seat = enter(&bulkhead, "acme", at(0)).ok().unwrap();
        bulkhead.leave(Some("acme"), &seat, at(7));
        assert!((0..8).all(|_| enter(&bulkhead, "acme", at(8)).is_ok()));
    }

    #[test]
    fn the_line_has_an_end() {
        let bulkhead = with_slow(&["slow"]);
        let _seats: Vec<_> = (0..6).map(|_| enter(&bulkhead, "slow", at(8)).ok().unwrap()).collect();
        let longest = (0..10_000).map(|_| enter(&bulkhead, "slow", at(8)).err().unwrap()).max();
        assert!(longest.unwrap() <= MAX_LINE);
    }

    #[test]
    fn a_worker_with_few_slots_keeps_none_back() {
        for slots in 1..4 {
            let bulkhead = Bulkhead::new(slots);
            let seat = enter(&bulkhead, "slow", at(0)).ok().unwrap();
            bulkhead.leave(Some("slow"), &seat, at(60));
            assert!((0..slots).all(|_| enter(&bulkhead, "slow", at(60)).is_ok()));
        }
    }

    #[test]
    fn no_more_tenants_are_remembered_than_there_is_room_for() {
        let bulkhead = Bulkhead::new(8);
        for i in 0..2 * MAX_TENANTS {
            let (name, took) = (i.to_string(), if i < MAX_TENANTS / 2 { 100 } else { 2 });
            let seat = enter(&bulkhead, &name, at(0)).ok().unwrap();
            bulkhead.leave(Some(&name), &seat, at(took));
        }
        let inner = bulkhead.inner();
        assert!(inner.tenants.len() <= MAX_TENANTS);
        assert!(inner.tenants.contains_key("0"), "those that are slow stay");
    }
}
