//! The reactor: runs a reaction over the stream of changes. One change that can't be dealt with never stalls the stream.

mod attempts;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{Either, join_all, select},
};

use crate::{Backoff, Change, Changes, ChangesError, Limits, Reaction, ReactionContext, Stop, Verdict, meter::measure};

/// How many changes it reads at once.
const BATCH: usize = 100;
const WAIT: Duration = Duration::from_secs(20);
const OUTAGE: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(30) };

/// Runs one [`Reaction`] over [`Changes`]: over all of them with [`Reactor::run`], or over those that a host was given with
/// [`Reactor::deal_with`].
pub struct Reactor {
    reaction: Arc<dyn Reaction>,
    changes: Arc<dyn Changes>,
    context: ReactionContext,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dealt {
    /// The reaction has dealt with it.
    Done,
    /// The reaction couldn't, and it stands in the reaction's dead-letter queue. The stream goes on.
    Parked,
    /// The limits came first, or an earlier change of the same record couldn't be dealt with. It must be seen again.
    Interrupted,
}

impl Reactor {
    /// A reactor for `reaction`. It reads `changes`, and parks there what can't be dealt with.
    #[must_use]
    pub const fn new(reaction: Arc<dyn Reaction>, changes: Arc<dyn Changes>, context: ReactionContext) -> Self {
        Self { reaction, changes, context }
    }

    /// Works until `stop` is requested. What was dealt with and not checkpointed yet is seen again at the next start.
    pub async fn run(&self, stop: Stop) {
        let mut outages = 0;
        let limits = Limits { stop: stop.clone(), until: None };
        loop {
            let round = self.round(&limits).boxed();
            match select(round, stop.requested()).await {
                Either::Left((Ok(()), _)) => outages = 0,
                Either::Left((Err(error), _)) => {
                    outages += 1;
                    tracing::warn!(%error, reaction = self.reaction.name(), "the stream can't be worked; it waits");
                    let pause = self.context.clock.sleep(OUTAGE.delay(outages, &*self.context.rng));
                    select(pause, stop.requested()).await;
                }
                Either::Right(_) => return,
            }
        }
    }

    /// Reads a batch, deals with it, however long that takes, and checkpoints it.
    async fn round(&self, limits: &Limits) -> Result<(), ChangesError> {
        let name = self.reaction.name();
        let changes = self.changes.read(name, BATCH, WAIT).await?;
        let Some(last) = changes.last() else { return Ok(()) };
        let work = self.deal_with(&changes, limits).boxed();
        let all = match select(work, self.changes.keep(name, &last.position)).await {
            Either::Left((all, _)) => all,
            // Somebody else deals with them now, from the beginning.
            Either::Right((lost, _)) => return Err(lost),
        };
        for dealt in all {
            if dealt? == Dealt::Interrupted {
                // It was stopped: whoever runs it sees that, too.
                return Ok(());
            }
        }
        self.changes.checkpoint(name, &last.position).await
    }

    /// Deals with these changes, in order for each record and different records side by side, and says of each, in the same
    /// order, what became of it. Tells no checkpoint.
    ///
    /// A change is given up after the attempts that the reaction's policy allows, and parked. What a limit interrupts, and
    /// what would have to wait beyond `limits.until`, is [`Dealt::Interrupted`]; so is a later change of the same record.
    ///
    /// # Errors
    ///
    /// In the place of a change that had to be parked, [`ChangesError`] when it couldn't be. It must be seen again.
    pub async fn deal_with(&self, changes: &[Change], limits: &Limits) -> Vec<Result<Dealt, ChangesError>> {
        let mut by_record: Vec<Vec<usize>> = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            match by_record.iter_mut().find(|group| changes[group[0]].key == change.key) {
                Some(group) => group.push(place),
                None => by_record.push(vec![place]),
            }
        }
        let groups = by_record.into_iter().map(|places| async {
            let mut dealt = Vec::with_capacity(places.len());
            for place in places {
                let blocked = dealt.last().is_some_and(|(_, last)| !matches!(last, Ok(Dealt::Done | Dealt::Parked)));
                let result =
                    if blocked { Ok(Dealt::Interrupted) } else { self.deal_with_one(&changes[place], limits).await };
                dealt.push((place, result));
            }
            dealt
        });
        let mut dealt: Vec<_> = join_all(groups).await.into_iter().flatten().collect();
        dealt.sort_by_key(|(place, _)| *place);
        dealt.into_iter().map(|(_, result)| result).collect()
    }

    async fn deal_with_one(&self, change: &Change, limits: &Limits) -> Result<Dealt, ChangesError> {
        let name = self.reaction.name();
        let failure = match attempts::until_dealt_with(&*self.reaction, change, &self.context, limits).await {
            Ok(None) => return Ok(Dealt::Done),
            Ok(Some(failure)) => failure,
            Err(attempts::Interrupted) => return Ok(Dealt::Interrupted),
        };
        tracing::warn!(reaction = name, record = %change.key, reason = failure.reason, error = failure.error,
            "a change can't be dealt with and is put aside");
        let parked = self.changes.park(name, change, &failure).await;
        let verdict = match &parked {
            Ok(()) => Verdict::DeadLetter(Box::new(failure)),
            // The change is seen again, and all of it is repeated.
            Err(_) => Verdict::Retry { after: Duration::ZERO },
        };
        measure(&*self.context.meter, name, &verdict);
        parked.map(|()| Dealt::Parked)
    }
}
