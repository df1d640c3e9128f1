//! Commits: one transaction, tried on what most likely stands there, and tried again on what DynamoDB says stands there
//! instead.
//!
//! The common case, where the guess is right, is one call. A write that takes whatever stands there costs a look before, and
//! creating a record anew that was deleted costs a second try.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use sendoff_consumers::Backoff;
use sendoff_producers::{CommitError, Committed, Expected, UnitOfWork};

use super::{
    DynamoRecords,
    attempt::{Attempt, Leaving, Planned},
    item::{DELETED, VERSION},
    limits, request,
    standing::Standing,
    transaction::Reason,
    verdict::Next,
};
use crate::{
    CallError,
    item::{Damage, Item},
    outbox,
    tables::records::{PK, SK},
};

/// How often a commit is tried. Each time but the last, somebody else got in between.
const TRIES: u32 = 14;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(20), cap: Duration::from_millis(800) };

impl DynamoRecords {
    pub(super) async fn transact(&self, work: &UnitOfWork) -> Result<Committed, CommitError> {
        work.validate()?;
        let mut writes = Vec::with_capacity(work.writes.len());
        for write in &work.writes {
            let (place, data) = limits::checked(write)?;
            let standing = Standing::guess(write.expected).unwrap_or(Standing::Nothing);
            writes.push(Planned { write, place, data, standing });
        }
        self.look(&mut writes).await?;
        let items = writes.iter().map(|planned| (planned.write.key.to_string(), planned.item(work).bytes()));
        let request = work.request.as_ref().map(|request| {
            (format!("the answer to request `{}`", request.key), request::item(&work.tenant, request, work.at).bytes())
        });
        let others = limits::fits(items.chain(request))?;
        let events = limits::distinct(&work.events)?;
        let pointers = outbox::put_aside(events, self.inline, others, &*self.blobs).await;
        let pointers = pointers.map_err(|error| CommitError::Unavailable(error.to_string()))?;
        let leaving = |(event, pointer)| Leaving { event, pointer, is_there: false };
        let events = events.iter().zip(pointers).map(leaving).collect();
        self.insist(Attempt { work, writes, events }).await
    }

    /// Looks at what stands where anything may stand: only by the version before is the version after known.
    async fn look(&self, writes: &mut [Planned<'_>]) -> Result<(), CommitError> {
        let unknown = writes.iter().filter(|planned| planned.write.expected == Expected::Any);
        let places: Vec<Item> = unknown.map(|planned| planned.place.item()).collect();
        let found = self
            .table
            .read_all(places, &[PK, SK, VERSION, DELETED])
            .await
            .map_err(|error| CommitError::Unavailable(error.to_string()))?;
        for planned in writes.iter_mut().filter(|planned| planned.write.expected == Expected::Any) {
            let item = found.iter().find(|item| planned.place.is_that_of(item));
            planned.standing = Standing::of(item).map_err(|damage| self.damaged(&damage))?;
        }
        Ok(())
    }

    /// Tries until it is committed, or until it is certain that it can't be.
    async fn insist(&self, mut this: Attempt<'_>) -> Result<Committed, CommitError> {
        let mut last = String::new();
        for attempt in 1..=TRIES {
            let actions = this.actions(self.table.name(), self.clock.now());
            let actions = actions.map_err(|error| CommitError::Invalid(error.to_string()))?;
            if actions.is_empty() {
                return Ok(Committed::Applied { versions: Vec::new() });
            }
            let sent = self.table.client().transact_write_items().set_transact_items(Some(actions)).send().await;
            let Err(error) = sent else {
                return Ok(Committed::Applied { versions: this.writes.iter().map(Planned::version).collect() });
            };
            let refused = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(refused)) => {
                    Some(refused.cancellation_reasons())
                }
                _ => None,
            };
            let Some(reasons) = refused.filter(|reasons| !reasons.is_empty()) else {
                let error = CallError::of("dynamodb:TransactWriteItems", self.table.name(), &error);
                return Err(CommitError::Unavailable(error.to_string()));
            };
            let reasons: Vec<Reason> = reasons.iter().map(Reason::of).collect();
            match this.judge(&reasons, self.clock.now()).map_err(|damage| self.damaged(&damage))? {
                Next::Asked(result) => return result,
                Next::Refused(error) => return self.first_answer(this.work).await?.ok_or(error),
                Next::Again { busy } => {
                    // The first time, what DynamoDB says is news, and trying it at once is not impatient.
                    if busy.is_some() || attempt > 1 {
                        self.clock.sleep(PAUSE.delay(attempt, &*self.rng)).await;
                    }
                    last = busy.unwrap_or_else(|| "others wrote the same records in between".to_owned());
                }
            }
        }
        Err(CommitError::Unavailable(format!(
            "dynamodb:TransactWriteItems on `{}` was refused {TRIES} times, at last because of {last}; nothing was written",
            self.table.name()
        )))
    }

    /// The answer to the work's request, if it was given before.
    async fn first_answer(&self, work: &UnitOfWork) -> Result<Option<Committed>, CommitError> {
        let Some(request) = &work.request else { return Ok(None) };
        let answer = self.answer(&work.tenant, &request.key, &request.fingerprint).await?;
        Ok(answer.map(|answer| Committed::Repeated { answer }))
    }

    pub(super) fn damaged(&self, damage: &Damage) -> CommitError {
        CommitError::Unavailable(format!("an item of table `{}` is damaged: {damage}", self.table.name()))
    }
}
