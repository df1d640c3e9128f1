//! What people did by hand, as a chain of items in the inbox's table. Nothing of it expires.
//!
//! | item | holds |
//! |---|---|
//! | `audit#head` | how many entries there are, and the digest of the last |
//! | `audit#{place}` | the entry at this place, in twenty digits |
//!
//! An entry is added together with the new head, in one transaction, on the condition that nobody else has added one since the head
//! was read. Who comes second reads the new head and tries again.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{Put, TransactWriteItem},
};
use sendoff_consumers::{Audit, AuditDigest, AuditEntry, AuditError, AuditNote, Backoff};
use sendoff_events::{BoxFuture, at_millis};

use crate::{
    CallError, Store,
    item::{Attribute, Damage, Item},
    table::Table,
    tables::inbox::{AUDIT, AUDIT_HEAD, ID},
};

const SEQ: &str = "seq";
const DIGEST: &str = "digest";
const AT: &str = "at";
const WHO: &str = "who";
const ACTION: &str = "action";
const EVENT: &str = "event";
const TARGET: &str = "target";
const BECAUSE: &str = "because";
const PREVIOUS: &str = "previous";
/// Who has written the entry: what a lost answer is told by.
const TOKEN: &str = "token";

/// How often an entry is tried to be added. Each time but the last somebody else was faster, or no answer came.
const TRIES: u32 = 20;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(20), cap: Duration::from_secs(1) };

/// [`Audit`] in the inbox's table.
struct DynamoAudit {
    store: Store,
    table: Table,
}

/// The last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    seq: u64,
    digest: AuditDigest,
}

impl Head {
    /// That of no entries.
    const NONE: Self = Self { seq: 0, digest: AuditDigest::NONE };
}

/// Why it can't be seen how the chain stands.
enum Look {
    Failed(CallError),
    Damaged(String),
}

impl From<CallError> for Look {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// What people did by hand.
    #[must_use]
    pub fn audit(&self) -> Arc<dyn Audit> {
        Arc::new(DynamoAudit { store: self.clone(), table: self.inbox_table() })
    }
}

impl Audit for DynamoAudit {
    fn append<'a>(&'a self, note: &'a AuditNote) -> BoxFuture<'a, Result<AuditEntry, AuditError>> {
        Box::pin(self.add(note))
    }

    fn entries(&self, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, AuditError>> {
        Box::pin(self.read(after, max))
    }
}

impl DynamoAudit {
    /// Tries until an entry of this call stands in the chain, and never two: a place is only given up when somebody else's entry
    /// stands there.
    async fn add(&self, note: &AuditNote) -> Result<AuditEntry, AuditError> {
        let token = format!("{:016x}{:016x}", self.store.rng.next_u64(), self.store.rng.next_u64());
        let (mut tried, mut silent): (Option<AuditEntry>, _) = (None, None);
        for attempt in 1..=TRIES {
            if attempt > 1 {
                self.store.clock.sleep(PAUSE.delay(attempt, &*self.store.rng)).await;
            }
            let (there, head) = match self.look(tried.as_ref()).await {
                Ok(seen) => seen,
                Err(Look::Failed(error)) if error.may_pass() => {
                    silent = Some(error);
                    continue;
                }
                Err(Look::Failed(error)) => return Err(unavailable(error)),
                Err(Look::Damaged(why)) => return Err(self.damaged(&why)),
            };
            if let Some(item) = there.as_ref().filter(|item| item.optional_text(TOKEN) == Some(&token)) {
                return entry(item).map_err(|damage| self.damaged(&damage.to_string()));
            }
            let passed = tried.as_ref().is_some_and(|entry| head.seq >= entry.seq);
            match (there.is_some(), passed) {
                (true, false) => return Err(self.damaged("it has an entry that its head doesn't know")),
                // It was passed between the two reads, perhaps by ours.
                (false, true) => continue,
                _ => {}
            }
            let next = tried.take().filter(|_| !passed).unwrap_or_else(|| {
                AuditEntry::after(head.digest, head.seq + 1, at_millis(self.store.clock.now()), note.clone())
            });
            match self.put(head, &next, &token).await {
                Ok(true) => return Ok(next),
                Ok(false) => {}
                Err(error) if error.may_pass() => silent = Some(error),
                Err(error) => return Err(unavailable(error)),
            }
            tried = Some(next);
        }
        let busy = || AuditError::Unavailable(format!("others wrote into it {TRIES} times first; try again"));
        Err(silent.map_or_else(busy, unavailable))
    }

    /// Puts the entry and the new head, unless somebody else was faster.
    async fn put(&self, head: Head, entry: &AuditEntry, token: &str) -> Result<bool, CallError> {
        let put = |item: Item| Put::builder().table_name(self.table.name()).set_item(Some(item.into_sdk()));
        let put = |item| put(item).expression_attribute_names("#id", ID);
        let new = put(item(entry).with_text(TOKEN, token)).condition_expression("attribute_not_exists(#id)");
        let after = put(head_item(Head { seq: entry.seq, digest: entry.digest }));
        let after = if head == Head::NONE {
            after.condition_expression("attribute_not_exists(#id)")
        } else {
            after
                .condition_expression("attribute_exists(#id) AND #digest = :digest")
                .expression_attribute_names("#digest", DIGEST)
                .expression_attribute_values(":digest", Attribute::S(head.digest.to_string()).into())
        };
        // Table and item are given, so both are built.
        let puts = [new, after].into_iter().filter_map(|put| put.build().ok());
        let puts = puts.map(|put| TransactWriteItem::builder().put(put).build()).collect();
        let call = self.table.client().transact_write_items().set_transact_items(Some(puts));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(somebody_was_faster) => Ok(false),
            Err(error) => Err(CallError::of("dynamodb:TransactWriteItems", self.table.name(), &error)),
        }
    }

    /// What stands where an entry was tried to be put, and the head.
    async fn look(&self, tried: Option<&AuditEntry>) -> Result<(Option<Item>, Head), Look> {
        // Read before the head: what stands there now, the head has passed when it is read.
        let there = match tried {
            Some(entry) => self.table.read(place(entry.seq)).await?,
            None => None,
        };
        Ok((there, self.head().await?))
    }

    async fn head(&self) -> Result<Head, Look> {
        let Some(item) = self.table.read(Item::default().with_text(ID, AUDIT_HEAD)).await? else {
            return Ok(Head::NONE);
        };
        let head = || Ok(Head { seq: item.number(SEQ)?, digest: item.parsed(DIGEST)? });
        head().map_err(|damage: Damage| Look::Damaged(format!("its head: {damage}")))
    }

    async fn read(&self, after: u64, max: usize) -> Result<Vec<AuditEntry>, AuditError> {
        let head = self.head().await.map_err(|error| match error {
            Look::Failed(error) => unavailable(error),
            Look::Damaged(why) => self.damaged(&why),
        })?;
        let last = head.seq.min(after.saturating_add(u64::try_from(max).unwrap_or(u64::MAX)));
        let mut entries = Vec::new();
        for first in (after.saturating_add(1)..=last).step_by(PAGE) {
            let page = first..=last.min(first + PAGE as u64 - 1);
            let found = self.table.read_all(page.map(place).collect(), &[]).await.map_err(unavailable)?;
            for item in &found {
                entries.push(entry(item).map_err(|damage| self.damaged(&format!("an entry: {damage}")))?);
            }
        }
        entries.sort_by_key(|entry| entry.seq);
        // What is missing before another entry shows in the chain.
        if last > after && entries.last().is_none_or(|entry| entry.seq != last) {
            return Err(
                self.damaged(&format!("entry {last} is missing, and its head says that there are {}", head.seq))
            );
        }
        Ok(entries)
    }

    fn damaged(&self, why: &str) -> AuditError {
        AuditError::Damaged(format!("in table `{}`: {why}", self.table.name()))
    }
}

/// How many entries are read at a time.
const PAGE: usize = 1000;

fn unavailable(error: CallError) -> AuditError {
    AuditError::Unavailable(error.to_string())
}

/// Whether the transaction was not carried out for a reason that passes.
fn somebody_was_faster(error: &TransactWriteItemsError) -> bool {
    const PASSES: [&str; 5] =
        ["None", "ConditionalCheckFailed", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    match error {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons().iter().all(|why| PASSES.contains(&why.code().unwrap_or("None")))
        }
        TransactWriteItemsError::TransactionInProgressException(_) => true,
        _ => false,
    }
}

/// The key of the entry at a place.
fn place(seq: u64) -> Item {
    Item::default().with_text(ID, format!("{AUDIT}{seq:020}"))
}

fn head_item(head: Head) -> Item {
    let item = Item::default().with_text(ID, AUDIT_HEAD).with_number(SEQ, head.seq);
    item.with_text(DIGEST, head.digest.to_string())
}

fn item(entry: &AuditEntry) -> Item {
    let AuditEntry { seq, at, note, previous, digest, .. } = entry;
    let AuditNote { who, action, event, target, because } = note;
    let item = place(*seq)
        .with_number(SEQ, seq)
        .with_moment(AT, *at)
        .with_text(WHO, who)
        .with_text(ACTION, action)
        .with_text(TARGET, target)
        .with_text(BECAUSE, because)
        .with_text(PREVIOUS, previous.to_string())
        .with_text(DIGEST, digest.to_string());
    match event {
        Some(event) => item.with_text(EVENT, event.to_string()),
        None => item,
    }
}

fn entry(item: &Item) -> Result<AuditEntry, Damage> {
    let text = |name| item.text(name).map(str::to_owned);
    Ok(AuditEntry {
        seq: item.number(SEQ)?,
        at: item.moment(AT)?,
        note: AuditNote {
            who: text(WHO)?,
            action: text(ACTION)?,
            event: if item.has(EVENT) { Some(item.parsed(EVENT)?) } else { None },
            target: text(TARGET)?,
            because: text(BECAUSE)?,
        },
        previous: item.parsed(PREVIOUS)?,
        digest: item.parsed(DIGEST)?,
        is_sealed: true,
    })
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{IdempotencyKey, check_chain};
    use sendoff_events::{EventId, Timestamp};

    use super::*;

    fn given(event: Option<EventId>) -> AuditEntry {
        let note = AuditNote {
            who: "grace".into(),
            action: "doubt-sent".into(),
            event,
            target: "sms/01938d1e-7b2c-7000-8000-000000000000/ada".into(),
            because: "she has it".into(),
        };
        AuditEntry::after(AuditDigest::NONE, 1, Timestamp::from_millisecond(1_790_000_000_123).unwrap(), note)
    }

    #[test]
    fn every_field_comes_back_so_the_chain_holds_and_nothing_of_it_expires() {
        for given in [given(None), given(Some(EventId::from_bytes([7; 16])))] {
            let item = item(&given).with_text(TOKEN, "t");
            let back = entry(&item).unwrap();
            assert_eq!(back, given);
            assert_eq!(check_chain(AuditDigest::NONE, 1, &[back]), Ok(()));
            assert!(!item.has(crate::tables::inbox::EXPIRATION));
            let id = item.text(ID).unwrap();
            assert_eq!(id, "audit#00000000000000000001");
            assert!(id.parse::<IdempotencyKey>().is_err(), "no job has this key");
        }
    }

    #[test]
    fn a_damaged_item_is_an_error_and_never_a_panic() {
        let good = item(&given(None));
        for bad in [
            good.clone().with_number(WHO, 1),
            good.clone().with_number(AT, i64::MAX),
            good.clone().with_text(DIGEST, "ü"),
            good.with_text(EVENT, "no id"),
            Item::default(),
        ] {
            assert!(entry(&bad).is_err(), "{bad:?}");
        }
    }
}
