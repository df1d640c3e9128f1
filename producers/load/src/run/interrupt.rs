//! Requests to end a run: the first one ends the sending or, once that is over, the waiting after it.

use std::{pin::pin, sync::Arc};

use futures::future::{Either, select};
use sendoff_consumers::{Stop, Stopper};

use super::Watcher;
use crate::{
    guards::{Halt, Reason},
    reconcile::Reconciler,
};

/// What is requested of a run, and what comes of it.
pub(super) struct Interrupt {
    requested: Arc<Halt>,
    sending: Arc<Halt>,
    enough: Stop,
    cutter: Stopper,
    watcher: Arc<dyn Watcher>,
}

impl Interrupt {
    /// Gives also what ends the waiting: a request for that, or a request to halt when nothing is left to be sent.
    pub(super) fn new(
        requested: Arc<Halt>,
        sending: Arc<Halt>,
        enough: Stop,
        watcher: Arc<dyn Watcher>,
    ) -> (Self, Stop) {
        let (cutter, cut) = Stop::pair();
        (Self { requested, sending, enough, cutter, watcher }, cut)
    }

    /// Does what is requested, until the run is over. Gives who has ended the waiting instead of the sending.
    pub(super) async fn heed(self, reconciler: &Reconciler, over: Stop) -> Option<Reason> {
        match select(pin!(self.heeded(reconciler)), pin!(over.requested())).await {
            Either::Left((cut_short, _)) => cut_short,
            Either::Right(_) => None,
        }
    }

    async fn heeded(self, reconciler: &Reconciler) -> Option<Reason> {
        let halting = pin!(self.requested.stop().requested());
        let halting = match select(halting, pin!(self.enough.requested())).await {
            Either::Left(_) => None,
            Either::Right((_, halting)) => Some(halting),
        };
        if let Some(halting) = halting {
            self.cutter.stop();
            halting.await;
            let reason = self.requested.reason()?;
            return halted(reconciler, &self.sending, &*self.watcher, reason);
        }
        let cut_short = halted(reconciler, &self.sending, &*self.watcher, self.requested.reason()?);
        if cut_short.is_none() {
            self.enough.requested().await;
        }
        self.cutter.stop();
        cut_short
    }
}

/// Ends the sending. Where that is over it gives the reason back: it is one to end the waiting.
fn halted(reconciler: &Reconciler, sending: &Halt, watcher: &dyn Watcher, reason: Reason) -> Option<Reason> {
    let (is_over, sent) = {
        let ledger = reconciler.ledger();
        (ledger.sent_until().is_some(), ledger.counts().sent)
    };
    if is_over {
        watcher.cut_short(&reason);
        return Some(reason);
    }
    if sent > 0 {
        watcher.halted(&reason);
    }
    sending.halt(reason);
    None
}
