//! What is done each second, whatever else goes on: people and the consumer are looked at.

use std::time::Duration;

use sendoff_events::Timestamp;

use super::{Ended, Progress, RunError, control::Wanted, engine::Engine, ladder::Loop};
use crate::plan::Stops;

/// How often people are asked and told.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How often the consumer is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// This moment, and so much later.
pub(super) fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// A moment that is at most so far ahead: one that was further isn't, after the clock was set back.
pub(super) fn at_most(moment: Timestamp, now: Timestamp, ahead: Duration) -> Timestamp {
    moment.min(after(now, ahead))
}

impl Engine<'_> {
    /// Waits, and does meanwhile what has to be done each second. While somebody wants the run to wait, it waits here: nothing may
    /// be under way.
    pub(super) async fn idle(&self, own: &mut Loop, duration: Duration) -> Result<Option<Ended>, RunError> {
        loop {
            self.run.clock.sleep(duration).await;
            let ended = self.tick(own).await?;
            if ended.is_some() || !own.is_paused {
                return Ok(ended);
            }
            self.give_back().await;
        }
    }

    /// What has to be done each second: ask what people want, tell them how it goes, and now and then look at the consumer.
    pub(super) async fn tick(&self, own: &mut Loop) -> Result<Option<Ended>, RunError> {
        let now = self.now();
        own.next_tick = at_most(own.next_tick, now, TICK);
        if now < own.next_tick {
            return Ok(None);
        }
        own.next_tick = after(now, TICK);
        match self.run.control.wanted() {
            Wanted::Go => own.is_paused = false,
            Wanted::Wait { .. } => own.is_paused = true,
            Wanted::Leave => {
                return Ok(Some(Ended::Paused { why: "its process was asked to end".into(), unreachable: false }));
            }
            Wanted::Abort { by } => return Ok(Some(Ended::Aborted { by })),
        }
        self.told(own);
        if own.is_paused {
            // What was waited for is waited for anew afterwards.
            (own.crowded_since, own.missed_since) = (None, None);
            own.speed.begin(now, self.shared().state.sent());
            return Ok(None);
        }
        own.next_look = at_most(own.next_look, now, LOOK);
        if now < own.next_look {
            return Ok(None);
        }
        own.next_look = after(now, LOOK);
        self.settle().await?;
        if let Some(why) = self.comes_back(own) {
            return Ok(Some(Ended::Paused { why, unreachable: false }));
        }
        Ok(self.crowded(own).await)
    }

    pub(super) fn told(&self, own: &mut Loop) {
        let watches = self.watches_left();
        let shared = self.shared();
        let rate = own.speed.rate(self.now(), shared.state.sent());
        let watching = own.watching.filter(|_| !own.is_paused);
        let progress = Progress::of(&shared.state, rate, watches, own.doing(), watching);
        drop(shared);
        self.run.watcher.progress(&progress);
    }

    /// Says why the run has to stop, if too much of what it sent has come back.
    pub(super) fn comes_back(&self, own: &Loop) -> Option<String> {
        let shared = self.shared();
        let returned = shared.state.returned().saturating_sub(own.watched_before.0);
        let watched = shared.state.watched().saturating_sub(own.watched_before.1);
        let most = self.run.plan.head().stop.returned_share;
        let share = returned as f64 / watched.max(1) as f64;
        (returned > 0 && share > most).then(|| {
            format!(
                "{returned} of the {watched} letters that were watched have failed again, and the plan allows {:.0} %",
                most * 100.0
            )
        })
    }

    /// Looks whether one of the queues that get the letters has too much to do.
    async fn crowded(&self, own: &mut Loop) -> Option<Ended> {
        let mut crowd = None;
        for queue in self.run.queues {
            crowd = self.crowd(queue).await;
            if crowd.is_some() {
                break;
            }
        }
        let Some((what, why)) = crowd else {
            own.crowded_since = None;
            return None;
        };
        let now = self.now();
        let since = own.crowded_since.map_or(now, |since| since.min(now));
        own.crowded_since = Some(since);
        let waited: Duration = now.duration_since(since).try_into().unwrap_or_default();
        let waited = waited.as_secs();
        (waited >= self.run.plan.head().stop.patience_s)
            .then(|| Ended::Paused { why: format!("{what} for {waited} s: {why}"), unreachable: false })
    }

    /// What a queue has too much of, if it has: what is so, and why.
    async fn crowd(&self, queue: &str) -> Option<(String, String)> {
        let Stops { backlog, backlog_age_s, .. } = self.run.plan.head().stop;
        let busy = || format!("`{queue}` has had too much to do");
        // A look that fails says nothing: the sends themselves will tell.
        if let Some(most) = backlog
            && let Ok(backlog) = self.run.letters.backlog(queue).await
            && backlog.waiting > most
        {
            return Some((busy(), format!("{} messages wait", backlog.waiting)));
        }
        let most = backlog_age_s?;
        match self.run.letters.oldest(queue).await {
            Ok(oldest) => {
                let oldest = oldest?.as_secs();
                (oldest > most).then(|| (busy(), format!("its oldest message has waited for {oldest} s")))
            }
            // It may be asked elsewhere than the sends go to, and then nothing else would tell.
            Err(error) => Some((format!("how long messages wait in `{queue}` couldn't be seen"), error.to_string())),
        }
    }
}
