//! The ladder: a few letters, a watch, some more, another watch, and then the rest.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use sendoff_consumers::Destination;
use sendoff_events::Timestamp;

use super::{
    Ended, RunError, Stage,
    engine::Engine,
    journal::Step,
    pace::Pace,
    progress::{PAUSED, Watching},
    speed::Speed,
    tick::{LOOK, TICK, after, at_most},
    watch::Watched,
};

/// What the loop keeps for itself.
pub(super) struct Loop {
    pub(super) pace: Pace,
    pub(super) speed: Speed,
    pub(super) watched_before: (u64, u64),
    pub(super) next_tick: Timestamp,
    pub(super) next_look: Timestamp,
    /// Somebody wants the run to wait.
    pub(super) is_paused: bool,
    pub(super) crowded_since: Option<Timestamp>,
    /// Since when letters are missed without any having come.
    pub(super) missed_since: Option<Timestamp>,
    pub(super) failures: usize,
    pub(super) unknowns: usize,
    /// How many batches in a row could delete nothing of what they had sent.
    pub(super) undeleted: usize,
    /// When the queue may be searched again for letters that aren't to be had.
    pub(super) next_search: Timestamp,
    /// What is watched now.
    pub(super) watching: Option<Watching>,
    pub(super) doing: &'static str,
}

impl Loop {
    /// Whether nothing new may be begun now.
    pub(super) const fn waits(&self) -> bool {
        self.is_paused || self.crowded_since.is_some()
    }

    /// What the run is doing, in a word or a few.
    pub(super) const fn doing(&self) -> &'static str {
        match (self.is_paused, self.crowded_since) {
            (true, _) => PAUSED,
            (false, Some(_)) => "waiting for the consumer",
            (false, None) => self.doing,
        }
    }
}

impl Engine<'_> {
    pub(super) async fn go(&self) -> Result<Ended, RunError> {
        self.note(Step::Begun { by: self.run.by.to_owned() }).await?;
        self.take_over().await?;
        let can_pick = self.run.letters.take_these(self.queue(), &[], self.run.settings.hold).await?.is_some();
        let head = self.run.plan.head();
        let now = self.now();
        let mut own = {
            let shared = self.shared();
            Loop {
                pace: Pace::new(head.rate, now),
                speed: Speed::default(),
                watched_before: shared.state.known(),
                next_tick: now,
                next_look: now,
                is_paused: false,
                crowded_since: None,
                missed_since: None,
                failures: 0,
                unknowns: 0,
                undeleted: 0,
                next_search: now,
                watching: None,
                doing: "sending",
            }
        };
        if let Some(by) = &self.run.aborted {
            let ended = self.pass(&mut own, u64::MAX, can_pick).await?;
            return Ok(ended.unwrap_or_else(|| Ended::Aborted { by: by.clone() }));
        }
        // What another process sent and didn't see to its end is watched on.
        let unsettled: Vec<u32> = self.shared().state.unsettled().collect();
        self.begin_watch(&unsettled);
        for rung in head.rungs() {
            let (sent, open) = self.standing();
            // One that was sent before its process ended may not have been watched.
            if self.shared().state.rung() >= rung || rung >= sent + open {
                continue;
            }
            if sent < rung
                && let Some(ended) = self.pass(&mut own, rung - sent, can_pick).await?
            {
                return Ok(ended);
            }
            if let Some(ended) = self.watch(&mut own).await? {
                return Ok(ended);
            }
            if let Some(why) = self.no_evidence() {
                return Ok(Ended::Paused { why, unreachable: false });
            }
            let (sent, _) = self.standing();
            self.note(Step::Rung { sent }).await?;
        }
        if let Some(ended) = self.pass(&mut own, u64::MAX, can_pick).await? {
            return Ok(ended);
        }
        if let Some(ended) = self.watch(&mut own).await? {
            // All was sent: there is nothing left to pause, but somebody may have wanted the end.
            if !matches!(ended, Ended::Paused { .. }) {
                return Ok(ended);
            }
        }
        self.told(&mut own);
        Ok(Ended::Finished)
    }

    /// How many were sent or may have been, and how many are still to be.
    fn standing(&self) -> (u64, u64) {
        let shared = self.shared();
        let state = &shared.state;
        let is_unsent = |place: &&u32| matches!(state.stage(**place), Stage::Waiting | Stage::Ambiguous);
        let unknown = shared.unknown.iter().filter(is_unsent).count() as u64;
        let open = state.count(Stage::Waiting) + state.count(Stage::Ambiguous);
        (state.sent() + unknown, open.saturating_sub(unknown))
    }

    /// How long all watches take that are still to come, if each takes its whole time.
    pub(super) fn watches_left(&self) -> Duration {
        let head = self.run.plan.head();
        let (sent, open) = self.standing();
        let reached = self.shared().state.rung();
        let rungs = head.rungs().filter(|rung| *rung > reached && *rung < sent + open).count() as u64;
        // One more follows on the last letters.
        Duration::from_secs(head.watch_s.saturating_mul(rungs + 1))
    }

    /// Letters that this process can still do something with.
    pub(super) fn open(&self) -> VecDeque<u32> {
        let shared = self.shared();
        let open = |place: &u32| {
            let stage = shared.state.stage(*place);
            shared.state.is_open(*place) && self.may_do(stage) && !shared.unknown.contains(place)
        };
        // What only has to be deleted comes first: it must not be sent by anybody else.
        let (sent, rest): (Vec<u32>, Vec<u32>) =
            (0..shared.state.len()).filter(open).partition(|place| shared.state.stage(*place) == Stage::Sent);
        sent.into_iter().chain(rest).collect()
    }

    /// Sends up to `quota` letters.
    async fn pass(&self, own: &mut Loop, quota: u64, can_pick: bool) -> Result<Option<Ended>, RunError> {
        own.doing = "sending";
        own.speed.begin(self.now(), self.shared().state.sent());
        own.missed_since = None;
        own.next_search = self.now();
        let mut todo = self.open();
        // Once all of them are sent, a queue that has to be searched isn't asked for more.
        let mut quota = quota.min(todo.len() as u64);
        loop {
            let missing = match self.round(own, &mut quota, can_pick, &mut todo).await? {
                Ok(missing) => missing,
                Err(ended) => return Ok(Some(ended)),
            };
            if quota == 0 || missing.is_empty() {
                break;
            }
            // Somebody may hold them, perhaps a run that broke off: their leases end.
            let now = self.now();
            let since = own.missed_since.map_or(now, |since| since.min(now));
            own.missed_since = Some(since);
            let late = now >= after(since, self.run.settings.hold + LOOK);
            own.next_search = at_most(own.next_search, now, LOOK);
            // The whole queue is gone through for that: soon at first, but not each second for long.
            todo = if late || now >= own.next_search {
                let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
                own.next_search = after(now, waited.clamp(TICK, LOOK));
                self.still_there(missing, can_pick, late).await?
            } else {
                missing
            }
            .into();
            if todo.is_empty() || late {
                break;
            }
            own.doing = "waiting for letters that somebody else holds";
            if let Some(ended) = self.idle(own, TICK).await? {
                return Ok(Some(ended));
            }
        }
        self.give_back().await;
        Ok(None)
    }

    /// Says why the rest must wait, if nothing is known of what became of the last few.
    fn no_evidence(&self) -> Option<String> {
        let head = self.run.plan.head();
        let shared = self.shared();
        let left = shared.watched.len();
        if left == 0 || head.watch_s == 0 || shared.state.settled_since_rung() > 0 {
            return None;
        }
        let consumers: BTreeSet<&str> = shared.watched.values().map(Watched::consumer).collect();
        if let Destination::Queue(queue) = &head.to.0
            && !consumers.contains(&**queue)
        {
            // Nobody who is watched gets them.
            return None;
        }
        let served = consumers.into_iter().collect::<Vec<_>>().join("`, `");
        Some(format!("0 of {left} came to an end in {} s: is `{served}` being served?", head.watch_s))
    }

    /// Waits until what was sent has come to an end, or for as long as the plan says.
    async fn watch(&self, own: &mut Loop) -> Result<Option<Ended>, RunError> {
        own.doing = "watching";
        let watched = self.watched_whole(own, self.run.plan.head().watch()).await;
        own.watching = None;
        watched
    }

    async fn watched_whole(&self, own: &mut Loop, time: Duration) -> Result<Option<Ended>, RunError> {
        let mut until = after(self.now(), time);
        let of = self.shared().watched.len() as u64;
        let (_, then) = self.standing();
        loop {
            self.settle().await?;
            until = at_most(until, self.now(), time);
            let left = self.shared().watched.len() as u64;
            own.watching = Some(Watching { until, ended: of.saturating_sub(left), of, then });
            if self.now() >= until {
                self.look_for_returned().await?;
            }
            if let Some(why) = self.comes_back(own) {
                return Ok(Some(Ended::Paused { why, unreachable: false }));
            }
            if self.shared().watched.is_empty() || self.now() >= until {
                return Ok(None);
            }
            if let Some(ended) = self.idle(own, TICK).await? {
                return Ok(Some(ended));
            }
        }
    }
}
