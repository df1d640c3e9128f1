//! Moves that break off at every step, over queues that can be asked for ids and over queues that can't.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, channel::mpsc};
use sendoff_consumers::{
    Backlog, DeadLetter, DeadLetterQueue, DeadLetters, DeadLettersError, Destination, IdempotencyKey, InboxError,
    InboxRecord, OutgoingLetter, QueueError, Receipt, Subscriber, TakenLetter,
};
use sendoff_dlq_tools::{
    archive::{Moved, Mover, Moves, Source},
    letter,
    run::journal::{FileJournal, Journal as _, Line, Step},
    snapshot::{Snapshot, Taken},
};
use sendoff_events::{BoxFuture, Clock as _, Timestamp};
use sendoff_host::Exit;

use super::{House, essences};

/// Queues that stop to answer at one step, before or after it was done.
struct Breaking {
    inner: Arc<dyn DeadLetters>,
    /// Whether letters can be asked for by their ids.
    by_ids: bool,
    /// Counts down with each step; at zero it breaks.
    left: AtomicU64,
    /// Whether the step is done all the same.
    after: bool,
    broken: mpsc::UnboundedSender<()>,
}

impl Breaking {
    async fn step<T>(&self, step: impl Future<Output = T>) -> T {
        let breaks = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if breaks && !self.after {
            self.break_off().await;
        }
        let done = step.await;
        if breaks {
            self.break_off().await;
        }
        done
    }

    async fn break_off(&self) {
        self.broken.unbounded_send(()).unwrap();
        std::future::pending::<()>().await;
    }
}

impl DeadLetters for Breaking {
    fn deployment(&self) -> String {
        self.inner.deployment()
    }

    fn queues(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<DeadLetterQueue>, DeadLettersError>> {
        self.inner.queues(since)
    }

    fn read<'a>(
        &'a self,
        queue: &'a str,
        after: Option<&'a str>,
        max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<DeadLetter>>, DeadLettersError>> {
        if !self.by_ids {
            return Box::pin(async { Ok(None) });
        }
        self.inner.read(queue, after, max)
    }

    fn take<'a>(
        &'a self,
        queue: &'a str,
        max: usize,
        hold: Duration,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, DeadLettersError>> {
        // A few at a time, as SQS gives them.
        Box::pin(self.step(self.inner.take(queue, max.min(2), hold)))
    }

    fn take_these<'a>(
        &'a self,
        queue: &'a str,
        ids: &'a [String],
        hold: Duration,
    ) -> BoxFuture<'a, Result<Option<Vec<TakenLetter>>, DeadLettersError>> {
        if !self.by_ids {
            return Box::pin(async { Ok(None) });
        }
        Box::pin(self.step(self.inner.take_these(queue, ids, hold)))
    }

    fn hold<'a>(
        &'a self,
        queue: &'a str,
        receipts: &'a [Receipt],
        hold: Duration,
    ) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(self.step(self.inner.hold(queue, receipts, hold)))
    }

    fn delete<'a>(&'a self, queue: &'a str, receipts: &'a [Receipt]) -> BoxFuture<'a, Vec<Result<(), QueueError>>> {
        Box::pin(self.step(self.inner.delete(queue, receipts)))
    }

    fn send<'a>(
        &'a self,
        to: &'a Destination,
        letters: &'a [OutgoingLetter],
    ) -> BoxFuture<'a, Vec<Result<String, QueueError>>> {
        Box::pin(self.step(self.inner.send(to, letters)))
    }

    fn create<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<(), DeadLettersError>> {
        self.inner.create(queue)
    }

    fn backlog<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Backlog, DeadLettersError>> {
        self.inner.backlog(queue)
    }

    fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, DeadLettersError>> {
        self.inner.subscribers()
    }

    fn ledger<'a>(&'a self, keys: &'a [IdempotencyKey]) -> BoxFuture<'a, Result<Vec<Option<InboxRecord>>, InboxError>> {
        self.inner.ledger(keys)
    }
}

/// Lays out the move of these letters in a folder.
fn lay_out(folder: &Path, queue: &DeadLetterQueue, messages: &[DeadLetter]) {
    let taken = Taken {
        deployment: String::new(),
        queue: queue.name.clone(),
        target: None,
        retention_s: None,
        fifo: false,
        begun_at: Timestamp::UNIX_EPOCH,
        ended_at: None,
        depth: 0,
        leased: 0,
        released: 0,
        receives: 0,
        is_cut_off: false,
    };
    let letters = messages.iter().map(|message| letter::Letter {
        message: message.clone(),
        facts: letter::decode(message, queue),
        payload: None,
        ledger: None,
        edit: None,
    });
    std::fs::create_dir_all(folder).unwrap();
    let mut snapshot = Snapshot::create(&Moves::letters_in(folder), taken).unwrap();
    snapshot.add(&letters.collect::<Vec<_>>()).unwrap();
}

/// Carries a move out, until it ends or breaks off at a step.
async fn carry_out(
    house: &House,
    folder: &Path,
    from: Option<&str>,
    by_ids: bool,
    at: u64,
    after: bool,
) -> Option<Moved> {
    let store = house.store();
    let inner = store.dead_letter_queues();
    inner.create("email-quarantine").await.unwrap();
    let (broken, mut breaks) = mpsc::unbounded();
    let letters = Breaking { inner, by_ids, left: AtomicU64::new(at), after, broken };
    let mut moves = Moves::open(folder).unwrap();
    let mut chosen: Vec<String> =
        moves.letters().page("", 100).unwrap().into_iter().map(|l| l.message.message_id).collect();
    // The last one isn't chosen.
    chosen.pop();
    let mover = Mover {
        letters: &letters,
        clock: &*house.clock,
        source: from.map_or(Source::Archive, Source::Queue),
        to: "email-quarantine",
        copy_of: from,
        dedup: "test",
    };
    let ended = futures::select_biased! {
        moved = Box::pin(moves.carry_out(mover, &chosen, "grace")).fuse() => Some(moved.unwrap()),
        _ = breaks.next() => None,
    };
    drop(moves);
    store.shutdown().await;
    ended
}

/// Whoever goes on does so at once, while what the dead process had leased is still its own, and knows its leases or doesn't.
#[tokio::test]
async fn a_move_that_breaks_off_at_any_step_loses_nothing_and_says_what_may_be_there_twice() {
    for (by_ids, after) in [(true, false), (true, true), (false, false), (false, true)] {
        for at in 1.. {
            let ended = [false, true].map(async |forgets| breaks_off(by_ids, after, at, forgets).await);
            let [one, other] = futures::future::join_all(ended).await[..] else { unreachable!() };
            if one && other {
                assert!(at > 3, "it broke off at each step before");
                break;
            }
        }
    }
}

/// Says whether the move came to its end before that step.
async fn breaks_off(by_ids: bool, after: bool, at: u64, forgets: bool) -> bool {
    let told = format!("ids {by_ids}, after {after}, step {at}, leases unknown {forgets}");
    let house = House::with(7).await;
    let folder = house.path("move");
    let store = house.store();
    let queue = store.dead_letter_queues().queues(Timestamp::MAX).await.unwrap().remove(0);
    store.shutdown().await;
    let before = house.letters("email-dlq").await;
    lay_out(&folder, &queue, &before);

    let mut last = carry_out(&house, &folder, Some("email-dlq"), by_ids, at, after).await;
    let ended = last.is_some();
    assert_eq!(ended, !Moves::is_open_in(&folder).unwrap(), "{told}");
    if forgets {
        let _ = std::fs::remove_file(folder.join("leases.ndjson"));
    }
    let mut sent_again = 0;
    for wait in [Duration::ZERO, Duration::from_secs(601)] {
        if Moves::is_open_in(&folder).unwrap() {
            house.clock.sleep(wait).await;
            let moved = carry_out(&house, &folder, Some("email-dlq"), by_ids, u64::MAX, after).await.unwrap();
            assert_eq!(moved.is_finished(), !Moves::is_open_in(&folder).unwrap(), "{told}: {moved:?}");
            sent_again += moved.sent_again;
            last = Some(moved);
        }
    }
    let last = last.unwrap();
    assert!(last.is_finished(), "{told}: {last:?}");
    assert!(
        last.missing == 0 || forgets || after,
        "{told}: only a lease that nobody knows keeps letters away: {last:?}"
    );
    assert_eq!(last.sent + last.sent_before + last.missing, 6, "{told}: {last:?}");

    let (aside, stay) = (house.letters("email-quarantine").await, house.letters("email-dlq").await);
    assert_eq!(stay.len() as u64, 1 + last.missing, "{told}: what was told to be moved is gone: {last:?}");
    let twice = aside.len() as u64 - (6 - last.missing);
    assert!(twice <= sent_again, "{told}: {twice} are there twice, told {last:?}");
    let mut once = essences(&[aside, stay].concat());
    once.dedup();
    assert_eq!(once, essences(&before), "{told}");
    ended
}

#[tokio::test]
async fn letters_out_of_an_archive_are_sent_once_unless_it_broke_off_while_they_were_sent() {
    for (after, twice) in [(false, 0), (true, 6)] {
        let house = House::with(7).await;
        let folder = house.path("move");
        let store = house.store();
        let queue = store.dead_letter_queues().queues(Timestamp::MAX).await.unwrap().remove(0);
        store.shutdown().await;
        lay_out(&folder, &queue, &house.letters("email-dlq").await);
        assert_eq!(carry_out(&house, &folder, None, true, 1, after).await, None);
        let moved = carry_out(&house, &folder, None, true, u64::MAX, after).await.unwrap();
        assert_eq!((moved.sent, moved.sent_again), (6, 6), "nobody knows of any whether it was sent");
        assert_eq!(house.letters("email-quarantine").await.len(), 6 + twice);
        let again = carry_out(&house, &folder, None, true, u64::MAX, after).await.unwrap();
        assert_eq!((again.sent, again.sent_before), (0, 6));
        assert_eq!(house.letters("email-dlq").await.len(), 7, "an archive takes nothing away");
    }
}

#[tokio::test]
async fn a_quarantine_that_broke_off_is_only_gone_on_with_where_it_was_begun() {
    let (first, second) = (House::with(3).await, House::with(2).await);
    let folder = first.path("dlq/quarantines/email-dlq-20261126T030000Z");
    let store = first.store();
    let queues = store.dead_letter_queues();
    let deployment = queues.deployment();
    let queue = queues.queues(Timestamp::MAX).await.unwrap().remove(0);
    store.shutdown().await;
    lay_out(&folder, &queue, &first.letters("email-dlq").await);
    let mut letters = Snapshot::open(&Moves::letters_in(&folder)).unwrap();
    letters.set_taken(Taken { deployment, ..letters.taken().clone() }).unwrap();
    drop(letters);
    std::fs::write(folder.join("order.json"), r#"{"to":"email-quarantine","because":"x"}"#).unwrap();
    let journal = FileJournal::open(&folder.join("journal.ndjson"), 0).unwrap();
    for step in [Step::Begun { by: "ada".into() }, Step::Intent { n: vec![0] }, Step::Sent { n: vec![0], ids: vec![] }]
    {
        journal.write(Line { at: Timestamp::UNIX_EPOCH, step }).await.unwrap();
    }
    drop(journal);

    // The other one has the same work folder.
    let work = first.path("dlq");
    let elsewhere = ["--work", work.to_str().unwrap(), "quarantine", "email"];
    let none = second.dlq(&[&elsewhere[..], &["--resume", "--yes"]].concat()).await.expect(Exit::NothingMatched);
    assert!(none.err.contains("no quarantine of `email-dlq` has broken off"), "{none:?}");
    let own = second.dlq(&[&elsewhere[..], &["--because", "y", "--yes"]].concat()).await.expect(Exit::Done);
    assert_eq!(own.out, "2 of 2 letters are in `email-quarantine`\n");

    first.dlq(&["quarantine", "email", "--because", "y", "--yes"]).await.expect(Exit::Refused);
    let on = first.dlq(&["quarantine", "email", "--resume", "--yes"]).await.expect(Exit::Done);
    assert_eq!(on.out, "3 of 3 letters are in `email-quarantine`\n");
    assert_eq!(first.letters("email-dlq").await, []);
}

#[tokio::test]
async fn where_letters_cannot_be_asked_for_the_others_are_given_back() {
    let house = House::with(7).await;
    let folder = house.path("move");
    let store = house.store();
    let queue = store.dead_letter_queues().queues(Timestamp::MAX).await.unwrap().remove(0);
    store.shutdown().await;
    lay_out(&folder, &queue, &house.letters("email-dlq").await[..3]);
    let moved = carry_out(&house, &folder, Some("email-dlq"), false, u64::MAX, false).await.unwrap();
    assert_eq!((moved.sent, moved.deleted), (2, 2));
    let store = house.store();
    let queue = store.dead_letter_queues().queues(Timestamp::MAX).await.unwrap().remove(0);
    assert_eq!((queue.waiting, queue.in_flight), (5, 0));
}
