//! What the process before this one left: the leases that it held when it was killed.

use sendoff_consumers::Receipt;

use super::{RunError, Stage, batch::Batch, engine::Engine};

impl Engine<'_> {
    /// Takes over from a process that is dead. What it had sent is deleted by its own leases, so that nobody else can send it
    /// meanwhile; the rest of what it held is given back, so that nobody has to wait for it.
    pub(super) async fn take_over(&self) -> Result<(), RunError> {
        let now = self.now();
        let (mut sent, mut free): (Vec<(u32, Receipt)>, Vec<Receipt>) = Default::default();
        for lease in self.run.leases.known().into_iter().filter(|lease| lease.until > now) {
            let place = lease.message_id.and_then(|id| self.run.plan.place(&id));
            match place.map(|place| (place, self.shared().state.stage(place))) {
                Some((place, Stage::Sent)) => sent.push((place, lease.receipt)),
                Some((_, Stage::Moved)) => {}
                _ => free.push(lease.receipt),
            }
        }
        self.delete(sent, &mut Batch::default()).await?;
        self.release(&free).await;
        self.run.leases.forget();
        Ok(())
    }
}
