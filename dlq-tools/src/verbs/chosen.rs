//! The letters that a verb is to change or move, as their selection was typed, and as the ledger stands now.

use std::ops::ControlFlow;

use sendoff_consumers::{DeadLetterKind, DeadLetterQueue, IdempotencyKey, Status};
use sendoff_embedded::program::print::one_line;
use sendoff_events::Timestamp;
use sendoff_host::{Exit, Stopped};

use crate::{
    deployment::Deployment,
    doctor::family,
    letter::{LedgerFacts, Letter, ledger_key},
    select::{self, Selection, Selector},
    snapshot::{Snapshot, take::stopped},
};

/// How many records are asked for at a time.
const BATCH: usize = 500;

/// The flags that chose the letters, as they were typed.
pub(crate) fn typed(selection: &Selection) -> Vec<String> {
    let Selection { condition, event_type, tenant, since, until, reason, group, ids } = selection;
    let flags = [
        ("--where", condition),
        ("--type", event_type),
        ("--tenant", tenant),
        ("--since", since),
        ("--until", until),
        ("--reason", reason),
        ("--group", group),
    ];
    let flags = flags.into_iter().filter_map(|(flag, value)| Some(format!("{flag} {}", value.as_ref()?)));
    flags.chain(ids.iter().map(|id| format!("--id {id}"))).collect()
}

/// The message ids of the chosen letters, each with the key of what its consumer has recorded of it, if it has one. Their ledger is
/// read anew, and what has changed is kept in the snapshot.
pub(crate) async fn up_to_date(
    deployment: &Deployment,
    snapshot: &mut Snapshot,
    selector: &Selector,
) -> Result<Vec<String>, Stopped> {
    let mut ids = Vec::new();
    let mut known: Vec<(String, IdempotencyKey)> = Vec::new();
    select::each(snapshot, selector, |letter| {
        known.extend(ledger_key(&letter.facts).map(|key| (letter.message.message_id.clone(), key)));
        ids.push(letter.message.message_id);
        Ok(ControlFlow::Continue(()))
    })?;
    for batch in known.chunks(BATCH) {
        let keys: Vec<IdempotencyKey> = batch.iter().map(|(_, key)| key.clone()).collect();
        let records = deployment.letters.ledger(&keys).await.map_err(|error| {
            Stopped::new(Exit::Unreachable, format_args!("what the consumers have recorded can't be read: {error}"))
        })?;
        let ledgers = batch.iter().zip(records).map(|((id, _), record)| (id.clone(), record.as_ref().map(Into::into)));
        snapshot.set_ledger(&ledgers.collect::<Vec<_>>())?;
    }
    Ok(ids)
}

/// Refuses to put letters of a queue into one of another consumer: a letter that doesn't say itself at whom it failed, as SQS moves
/// it, would be taken for one of theirs from then on, and run there.
pub(super) async fn must_be_theirs(deployment: &Deployment, from: &str, to: &str) -> Result<(), Stopped> {
    if family(from) == family(to) {
        return Ok(());
    }
    let queues = deployment.letters.queues(Timestamp::MAX).await.map_err(stopped)?;
    // Where letters are only put aside there may be nobody of this name.
    let is_somebodys = |queue: &DeadLetterQueue| !matches!(queue.kind, DeadLetterKind::Quarantine(_));
    if !queues.iter().any(|queue| is_somebodys(queue) && family(&queue.name) == family(to)) {
        return Ok(());
    }
    let why = format!(
        "`{}` is for what failed at `{}`, and not for letters of `{}`: those that don't say at whom they failed would be taken for \
         theirs. Name another queue, or say --yes-other-consumer",
        one_line(to),
        one_line(family(to)),
        one_line(from)
    );
    Err(Stopped::new(Exit::Refused, why))
}

/// Whether nobody knows if the letter's event had its effect.
pub(crate) fn is_in_doubt(letter: &Letter) -> bool {
    let doubted = |ledger: &LedgerFacts| ledger.doubted || ledger.status == Status::InDoubt;
    letter.ledger.as_ref().is_some_and(doubted)
}

/// Refuses a queue whose letters can't be leased without harm.
pub(crate) fn must_be_touchable(queue: &DeadLetterQueue) -> Result<(), Stopped> {
    let Some(why) = &queue.untouchable else { return Ok(()) };
    let why = format!("no letter of `{}` is taken: {why}. Take that away first; `dlq doctor {0}` says how", queue.name);
    Err(Stopped::new(Exit::Refused, why))
}

/// Refuses to move letters that are edited: where they are put they are other messages, and an edit is of one message. `instead` is
/// what can be done with the edits.
pub(crate) fn must_be_unedited(letters: &Snapshot, selector: &Selector, instead: &str) -> Result<(), Stopped> {
    let mut edited = 0_u64;
    select::each(letters, selector, |letter| {
        edited += u64::from(letter.edit.is_some());
        Ok(ControlFlow::Continue(()))
    })?;
    if edited == 0 {
        return Ok(());
    }
    let why = format!(
        "{edited} of them are edited, and would be put there as they were before: an edit stays with the message that it was made \
         of. {instead}, or say --without-edits"
    );
    Err(Stopped::new(Exit::Refused, why))
}

/// Ends a verb that found no letter.
pub(crate) fn nothing(queue: &str) -> Stopped {
    Stopped::new(
        Exit::NothingMatched,
        format_args!("no letter of `{queue}` fits; `dlq grep` shows what a selection finds"),
    )
}
