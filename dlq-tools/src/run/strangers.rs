//! Letters of no plan that come where letters can't be asked for by their ids.

use sendoff_consumers::Receipt;
use sendoff_events::Timestamp;

use super::engine::Engine;

/// The most letters of no plan that are kept from coming again and again.
const MOST_HELD: usize = 100_000;

impl Engine<'_> {
    /// Keeps the letters of no plan hidden while the queue is gone through, or gives them back when they are too many.
    pub(super) async fn keep_strangers(&self) {
        let hold = self.run.settings.hold;
        let soon = self.now().checked_add(hold / 2).unwrap_or(Timestamp::MAX);
        let (count, receipts) = {
            let shared = self.shared();
            let due = shared.strangers.iter().filter(|(_, until)| *until < soon);
            (shared.strangers.len(), due.map(|(receipt, _)| receipt.clone()).collect::<Vec<_>>())
        };
        if count > MOST_HELD {
            return self.give_back().await;
        }
        if receipts.is_empty() {
            return;
        }
        let until = self.now().checked_add(hold).unwrap_or(Timestamp::MAX);
        // One whose lease has lapsed already just comes again.
        let _ = self.run.letters.hold(self.queue(), &receipts, hold).await;
        self.run.leases.end(&receipts, until);
        for (_, known) in self.shared().strangers.iter_mut().filter(|(_, known)| *known < soon) {
            *known = until;
        }
    }

    /// Gives back the letters of no plan.
    pub(super) async fn give_back(&self) {
        let strangers = std::mem::take(&mut self.shared().strangers);
        let receipts: Vec<Receipt> = strangers.into_iter().map(|(receipt, _)| receipt).collect();
        self.release(&receipts).await;
    }
}
