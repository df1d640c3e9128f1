//! The steps that can't be taken back, each written down before it: send, then delete.

use std::time::Duration;

use sendoff_consumers::{OutgoingLetter, QueueError, Receipt};
use sendoff_events::Timestamp;

use super::{
    RunError,
    batch::{Batch, Held, Ready},
    engine::Engine,
    journal::Step,
};

impl Engine<'_> {
    pub(super) async fn send(&self, ready: Vec<Ready>, done: &mut Batch) -> Result<(), RunError> {
        if ready.is_empty() {
            return Ok(());
        }
        let (held, outgoing): (Vec<Held>, Vec<OutgoingLetter>) = ready.into_iter().unzip();
        let places: Vec<u32> = held.iter().map(|held| held.place).collect();
        self.note(Step::Intent { n: places.clone() }).await?;
        // Writing may have taken long.
        let margin = self.now().checked_add(self.run.settings.hold / 10).unwrap_or(Timestamp::MAX);
        if held.iter().any(|held| held.until < margin) {
            self.note(Step::Unsent { n: places.clone() }).await?;
            done.missing.extend(places);
            return Ok(());
        }
        let results = self.run.letters.send(&self.run.plan.head().to.0, &outgoing).await;
        // They are large, and what comes next works better in a cache without them.
        drop(outgoing);
        let (mut sent, mut ids, mut gone, mut unknown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut refused = Vec::new();
        // An answer that is missing is one that nobody knows.
        let results = results.into_iter().map(Some).chain(std::iter::repeat(None));
        for (held, result) in held.into_iter().zip(results) {
            match result {
                Some(Ok(id)) => {
                    sent.push(held.place);
                    ids.push(id);
                    gone.push((held.place, held.receipt));
                }
                Some(Err(QueueError::Refused(why))) => refused.push((held, why)),
                Some(Err(error)) => {
                    done.unknown.get_or_insert_with(|| error.to_string());
                    unknown.push(held);
                }
                None => {
                    done.unknown.get_or_insert_with(|| "no answer came".to_owned());
                    unknown.push(held);
                }
            }
        }
        done.used += sent.len() + unknown.len();
        done.sent += sent.len();
        if !sent.is_empty() {
            self.note(Step::Sent { n: sent.clone(), ids }).await?;
            self.begin_watch(&sent);
        }
        if !unknown.is_empty() {
            let places: Vec<u32> = unknown.iter().map(|held| held.place).collect();
            self.shared().unknown.extend(&places);
            let why = done.unknown.clone().unwrap_or_default();
            self.note(Step::Unknown { n: places, why }).await?;
            let receipts: Vec<Receipt> = unknown.into_iter().map(|held| held.receipt).collect();
            self.release(&receipts).await;
        }
        for (held, why) in refused {
            self.skip(vec![held], &format!("refused: {why}")).await?;
        }
        self.delete(gone, done).await
    }

    pub(super) async fn delete(&self, gone: Vec<(u32, Receipt)>, done: &mut Batch) -> Result<(), RunError> {
        if gone.is_empty() {
            return Ok(());
        }
        let receipts: Vec<Receipt> = gone.iter().map(|(place, receipt)| self.newest(*place, receipt)).collect();
        let results = self.run.letters.delete(self.queue(), &receipts).await;
        // What couldn't be deleted stays as sent: it is taken again, and only deleted then.
        let (mut n, mut why) = (Vec::new(), "no answer came".to_owned());
        for ((place, _), result) in gone.iter().zip(results) {
            match result {
                Ok(()) => n.push(*place),
                Err(error) => why = error.to_string(),
            }
        }
        if !matches!(done.deleted, Some(Ok(()))) {
            done.deleted = Some(if n.is_empty() { Err(why) } else { Ok(()) });
        }
        if n.is_empty() { Ok(()) } else { self.note(Step::Deleted { n }).await }
    }

    pub(super) async fn skip(&self, held: Vec<Held>, why: &str) -> Result<(), RunError> {
        if held.is_empty() {
            return Ok(());
        }
        self.note(Step::Skipped { n: held.iter().map(|held| held.place).collect(), why: why.to_owned() }).await?;
        for held in &held {
            let mut shared = self.shared();
            // One that stays ambiguous isn't tried again by this process.
            if shared.state.is_open(held.place) {
                shared.unknown.insert(held.place);
            }
        }
        let receipts: Vec<Receipt> = held.into_iter().map(|held| held.receipt).collect();
        self.release(&receipts).await;
        Ok(())
    }

    /// Leaves a letter for now: whoever goes on with the run tries again.
    pub(super) async fn leave(&self, held: Held, why: &str) -> Result<(), RunError> {
        self.note(Step::Left { n: vec![held.place], why: why.to_owned() }).await?;
        self.shared().unknown.insert(held.place);
        self.release(&[held.receipt]).await;
        Ok(())
    }

    /// The receipt by which a letter is held now.
    pub(super) fn newest(&self, place: u32, receipt: &Receipt) -> Receipt {
        self.shared().newer.get(&place).unwrap_or(receipt).clone()
    }

    /// Gives letters back at once.
    pub(super) async fn release(&self, receipts: &[Receipt]) {
        if !receipts.is_empty() {
            // What can't be given back comes back when its lease ends.
            let _ = self.run.letters.hold(self.queue(), receipts, Duration::ZERO).await;
            self.run.leases.end(receipts, self.now());
        }
    }
}
