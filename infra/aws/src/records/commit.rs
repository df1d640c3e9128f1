//! Commits: one transaction, tried on what most likely stands there, and tried again on what DynamoDB says stands there
//! instead.
//!
//! The common case, where the guess is right, is one call. A write that takes whatever stands there costs a look before, and
//! creating a record anew that was deleted costs a second try.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::BuildError, operation::transact_write_items::TransactWriteItemsError, types::TransactWriteItem,
};
use sendoff_consumers::Backoff;
use sendoff_events::{Outgoing, Pointer};
use sendoff_producers::{CommitError, Committed, Expected, UnitOfWork, Write};

use super::{
    DynamoRecords,
    item::{self, DELETED, Place, VERSION},
    limits,
    request::{self, Asked},
    standing::Standing,
    transaction::{Condition, Reason, check, put},
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

/// A unit of work on its way into the table.
struct Attempted<'a> {
    work: &'a UnitOfWork,
    writes: Vec<Planned<'a>>,
    events: Vec<Leaving<'a>>,
}

/// A write, and what it is tried on.
struct Planned<'a> {
    write: &'a Write,
    place: Place,
    data: Option<String>,
    standing: Standing,
}

/// An event, its pointer if its body was put aside, and whether it is in the outbox already: a unit of work without a request
/// key may be repeated.
struct Leaving<'a> {
    event: &'a Outgoing,
    pointer: Option<Pointer>,
    is_there: bool,
}

impl Planned<'_> {
    /// Whether it deletes what isn't there. Then nothing is written, and nothing counts.
    fn is_idle(&self) -> bool {
        self.data.is_none() && self.standing.found().is_none()
    }

    fn version(&self) -> u64 {
        if self.is_idle() { self.standing.version() } else { self.standing.version().saturating_add(1) }
    }

    fn item(&self, work: &UnitOfWork) -> Item {
        item::item(&self.place, self.version(), self.data.as_deref(), &work.actor, work.at)
    }
}

/// What to do after a transaction was refused.
#[derive(Debug)]
enum Next {
    /// Try again: what stands there is known now, or somebody will be done in a moment.
    Again {
        /// Why it has to wait before.
        busy: Option<String>,
    },
    /// This is what became of it.
    Ended(Result<Committed, CommitError>),
}

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
        self.insist(Attempted { work, writes, events }).await
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
    async fn insist(&self, mut attempted: Attempted<'_>) -> Result<Committed, CommitError> {
        let mut last = String::new();
        for attempt in 1..=TRIES {
            let actions = self.actions(&attempted).map_err(|error| CommitError::Invalid(error.to_string()))?;
            if actions.is_empty() {
                return Ok(Committed::Applied { versions: Vec::new() });
            }
            let sent = self.table.client().transact_write_items().set_transact_items(Some(actions)).send().await;
            let Err(error) = sent else {
                return Ok(Committed::Applied { versions: attempted.writes.iter().map(Planned::version).collect() });
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
            match self.judge(&mut attempted, &reasons) {
                Next::Ended(Err(CommitError::Conflict { key, expected, found })) => {
                    // The request comes first, and nothing says that DynamoDB tells of every condition that isn't met.
                    let conflict = CommitError::Conflict { key, expected, found };
                    return self.first_answer(attempted.work).await?.ok_or(conflict);
                }
                Next::Ended(result) => return result,
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

    /// The actions of the transaction: the request key, the writes, the events.
    fn actions(&self, attempted: &Attempted<'_>) -> Result<Vec<TransactWriteItem>, BuildError> {
        let (table, work) = (self.table.name(), attempted.work);
        let mut actions = Vec::with_capacity(1 + attempted.writes.len() + attempted.events.len());
        if let Some(request) = &work.request {
            let now = self.clock.now();
            let item = request::item(&work.tenant, request, now);
            actions.push(put(table, item, Condition::new_or_expired(now))?);
        }
        for planned in &attempted.writes {
            let condition = Condition::still(planned.standing);
            actions.push(match planned.is_idle() {
                true => check(table, planned.place.item(), condition)?,
                false => put(table, planned.item(work), condition)?,
            });
        }
        for Leaving { event, pointer, is_there } in &attempted.events {
            actions.push(match is_there {
                true => check(table, outbox::place(event.id), Condition::same_item())?,
                false => put(table, outbox::item(event, pointer.as_ref(), work.at), Condition::new_item())?,
            });
        }
        Ok(actions)
    }

    /// What to do after a refusal, by its reasons, one for each action and in their order.
    fn judge(&self, attempted: &mut Attempted<'_>, reasons: &[Reason]) -> Next {
        let mut reasons = reasons.iter();
        if let Some(request) = &attempted.work.request
            && let Some(Reason::Unmet(stored)) = reasons.next()
        {
            match request::asked(stored.as_ref(), &request.fingerprint, self.clock.now()) {
                Ok(Asked::Before(answer)) => return Next::Ended(Ok(Committed::Repeated { answer })),
                Ok(Asked::Otherwise) => {
                    return Next::Ended(Err(CommitError::RequestMismatch { key: request.key.clone() }));
                }
                // It has expired since.
                Ok(Asked::Never) => {}
                Err(damage) => return Next::Ended(Err(self.damaged(&damage))),
            }
        }
        self.judge_items(attempted, reasons.as_slice())
    }

    fn judge_items(&self, attempted: &mut Attempted<'_>, reasons: &[Reason]) -> Next {
        let busy =
            reasons.iter().find_map(|reason| if let Reason::Busy(why) = reason { Some(why.clone()) } else { None });
        if let Some(why) =
            reasons.iter().find_map(|r| if let Reason::Wrong(why) = r { Some(why.clone()) } else { None })
        {
            return Next::Ended(Err(CommitError::Invalid(format!("DynamoDB doesn't take it: {why}"))));
        }
        let (of_writes, of_events) = reasons.split_at(attempted.writes.len().min(reasons.len()));
        let mut conflict = None;
        for (planned, reason) in attempted.writes.iter_mut().zip(of_writes) {
            let Reason::Unmet(stored) = reason else { continue };
            let Write { key, expected, .. } = planned.write;
            match Standing::of(stored.as_ref()) {
                // Only on such ground may it be tried again.
                Ok(standing) if standing.fits(*expected) => planned.standing = standing,
                Ok(standing) if conflict.is_none() => {
                    let found = standing.found();
                    conflict = Some(CommitError::Conflict { key: key.clone(), expected: *expected, found });
                }
                Ok(_) => {}
                Err(damage) => return Next::Ended(Err(self.damaged(&damage))),
            }
        }
        // Whoever is at an item may be a twin of this request, whose answer comes before any conflict.
        if let Some(conflict) = conflict.filter(|_| busy.is_none()) {
            return Next::Ended(Err(conflict));
        }
        for (leaving, reason) in attempted.events.iter_mut().zip(of_events) {
            let Reason::Unmet(stored) = reason else { continue };
            match stored.as_ref().map(outbox::Stored::of) {
                Some(Ok(stored)) if stored.is(leaving.event) => leaving.is_there = true,
                Some(_) => {
                    let why = format!("another event was committed before under the id {}", leaving.event.id);
                    return Next::Ended(Err(CommitError::Invalid(why)));
                }
                // It was there, and is gone: its time was over.
                None => leaving.is_there = false,
            }
        }
        Next::Again { busy }
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
