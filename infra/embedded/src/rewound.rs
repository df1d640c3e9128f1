//! A clock that was set back: what was put into a queue while it was ahead would be hidden until it is there again, for hours where
//! a machine had started with a wrong time. Its time is taken to be now.
//!
//! What was given back with a delay meanwhile, and leases, end as much too late: nothing in their rows tells them from longer delays.

use rusqlite::params;

use crate::db::{
    Tx,
    statements::{Run as _, statements},
};

statements! {
    NEWEST = "SELECT sent_at FROM messages WHERE id = (SELECT max(id) FROM messages)";
    ALL_QUEUES = "SELECT id FROM queues";
    // What has a key stands there for a moment that somebody has named, and waits for that.
    PULL_DOWN = "UPDATE messages SET visible_at = visible_at - (sent_at - ?2), sent_at = ?2
        WHERE queue = ?1 AND visible_at > ?2 AND sent_at > ?2 AND (key IS NULL OR visible_at <= sent_at)";
}

/// Smaller steps disturb nobody, milliseconds.
pub(crate) const STEP: i64 = 1000;

/// Looks whether the newest message was sent in the future; if so, pulls all of those down.
pub(crate) fn look(tx: &Tx<'_>) -> rusqlite::Result<()> {
    let newest: Option<i64> = tx.one(NEWEST, [], |row| row.get(0))?;
    match newest.map(|newest| newest - tx.now) {
        Some(ahead) if ahead > STEP => pull_down(tx, ahead),
        _ => Ok(()),
    }
}

/// Lets what was sent in the future, as the clock now has it, be sent now. The clock was `ahead` by so many milliseconds.
pub(crate) fn pull_down(tx: &Tx<'_>, ahead: i64) -> rusqlite::Result<()> {
    let mut messages = 0;
    for queue in tx.all(ALL_QUEUES, [], |row| row.get::<_, i64>(0))? {
        messages += tx.run(PULL_DOWN, params![queue, tx.now])?;
        tx.wake(queue);
    }
    let seconds = ahead.unsigned_abs() / 1000;
    tracing::warn!(
        seconds,
        messages,
        "the clock was set back; what was sent before that doesn't wait for its time to come again"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sendoff_consumers::NewMessage;

    use crate::tests::{Bench, message, receive};

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_was_sent_before_the_clock_was_set_back_is_there_at_once_and_delays_stay_as_long() {
        let bench = Bench::new();
        let queue = bench.subscribed("email").await;
        bench.clock.advance(3 * HOUR);
        bench.store.publisher().publish(&[bench.event("crm", None)]).await.remove(0).unwrap();
        let delayed = NewMessage { delay: HOUR, ..message("later") };
        queue.send(&[delayed]).await.remove(0).unwrap();
        bench.clock.back(2 * HOUR);
        let sent = receive(&*queue, 10).await.remove(0);
        queue.ack(&[sent.receipt]).await.remove(0).unwrap();
        bench.clock.advance(HOUR);
        assert_eq!(receive(&*queue, 10).await[0].body, "later");
    }

    #[tokio::test]
    async fn whoever_waits_for_messages_gets_those_of_the_time_that_was_taken_back() {
        let bench = Bench::new();
        let queue = bench.subscribed("email").await;
        bench.clock.advance(HOUR);
        queue.send(&[message("hello")]).await.remove(0).unwrap();
        bench.clock.back(HOUR);
        let got = queue.receive(1, HOUR, HOUR).await.unwrap();
        assert_eq!((got.len(), got[0].sent_at), (1, sendoff_events::Clock::now(&*bench.clock)));
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_while_nobody_served_is_noticed_at_the_start() {
        let mut bench = Bench::new();
        bench.subscribed("email").await;
        bench.clock.advance(HOUR);
        bench.store.publisher().publish(&[bench.event("crm", None)]).await.remove(0).unwrap();
        bench = bench.reopen();
        bench.clock.back(HOUR);
        bench.store.recover().await.unwrap();
        let queue = bench.store.queue("email").await.unwrap();
        assert_eq!(receive(&*queue, 10).await.len(), 1);
    }

    #[tokio::test]
    async fn small_steps_change_nothing() {
        let bench = Bench::new();
        let queue = bench.subscribed("email").await;
        queue.send(&[message("hello")]).await.remove(0).unwrap();
        bench.clock.back(Duration::from_millis(900));
        assert!(receive(&*queue, 10).await.is_empty());
        bench.clock.advance(Duration::from_millis(900));
        assert_eq!(receive(&*queue, 10).await.len(), 1);
    }
}
