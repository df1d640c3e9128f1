//! Waiting until the queues are down to what they held before a search. No rate may begin on the backlog of the one before: it would be
//! measured by what isn't its own.

use std::{collections::BTreeMap, future::Future, pin::pin, time::Duration};

use futures::{FutureExt as _, select_biased};
use sendoff_consumers::Depth;
use sendoff_events::{BoxFuture, Clock};

use super::Early;

/// Messages that wait or are being handled, by consumer.
pub type Backlog = BTreeMap<String, u64>;

/// The longest that a search waits before a rate.
pub const LIMIT: Duration = Duration::from_secs(600);

const EVERY: Duration = Duration::from_secs(1);

/// The messages of these queues that aren't dead letters.
#[must_use]
pub fn backlog(depths: BTreeMap<String, Depth>) -> Backlog {
    depths.into_iter().map(|(name, depth)| (name, depth.visible + depth.in_flight + depth.delayed)).collect()
}

/// How many messages the queues hold that they didn't hold `before`: in each by itself, since one that has become shorter doesn't make up
/// for one that has become longer.
#[must_use]
pub fn excess(backlog: &Backlog, before: &Backlog) -> u64 {
    backlog.iter().map(|(name, held)| held.saturating_sub(before.get(name).copied().unwrap_or(0))).sum()
}

/// Waits, [`LIMIT`] at most, until no queue holds more than `before`, and gives what they hold then. `ask` gives that, or nothing where it
/// can't be asked; `watch` hears after each look in vain how much there is too much, and may end the waiting, as `stopped` does with its reason.
///
/// # Errors
///
/// Why the search ends here.
pub async fn settled<'a>(
    before: &Backlog,
    ask: impl Fn() -> BoxFuture<'a, Option<Backlog>>,
    clock: &dyn Clock,
    stopped: impl Future<Output = String>,
    mut watch: impl FnMut(Option<u64>) -> Result<(), Early>,
) -> Result<Backlog, Early> {
    let mut stopped = pin!(stopped.fuse());
    let mut over = clock.sleep(LIMIT).fuse();
    let mut left = None;
    loop {
        let asked = select_biased! {
            why = stopped => return Err(Early::Interrupted(why)),
            asked = ask().fuse() => asked,
            () = over => return Err(Early::Backlog(left)),
        };
        if let Some(backlog) = asked {
            match excess(&backlog, before) {
                0 => return Ok(backlog),
                more => left = Some(more),
            }
        }
        watch(left)?;
        select_biased! {
            why = stopped => return Err(Early::Interrupted(why)),
            () = over => return Err(Early::Backlog(left)),
            () = clock.sleep(EVERY).fuse() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::{Arc, Mutex},
    };

    use sendoff_tests::simulation::{Process, World};

    use super::*;

    fn held(queues: &[(&str, u64)]) -> Backlog {
        queues.iter().map(|(name, held)| ((*name).to_owned(), *held)).collect()
    }

    /// What came of it, after how many seconds, and what was watched.
    type Waited = (Result<Backlog, Early>, f64, Vec<Option<u64>>);

    /// Waits in virtual time for queues that hold this much, by seconds since the beginning.
    fn waited(
        before: Backlog,
        asked: fn(f64) -> Option<Backlog>,
        stopped: Option<u64>,
        watch: fn(Option<u64>) -> Result<(), Early>,
    ) -> Waited {
        let mut world = World::new(1);
        let clock = world.clock();
        let slot = Arc::new(Mutex::new(None));
        let result = slot.clone();
        world.spawn(Process(1), async move {
            let began = clock.now();
            let since = || clock.now().duration_since(began).as_secs_f64();
            let ask = || -> BoxFuture<'static, Option<Backlog>> { Box::pin(std::future::ready(asked(since()))) };
            let after = stopped.map(|seconds| clock.sleep(Duration::from_secs(seconds)));
            let stopped = async {
                match after {
                    Some(after) => after.await,
                    None => pending().await,
                }
                "Ctrl-C".to_owned()
            };
            let mut watched = Vec::new();
            let ended = settled(&before, ask, &clock, stopped, |left| {
                watched.push(left);
                watch(left)
            })
            .await;
            *result.lock().unwrap() = Some((ended, since(), watched));
        });
        while world.alive(Process(1)) > 0 {
            assert!(world.step(), "it waits for something that never comes");
        }
        slot.lock().unwrap().take().unwrap()
    }

    #[test]
    fn no_rate_begins_on_the_backlog_of_the_one_before() {
        let draining = |at: f64| Some(held(&[("email", 10), ("webhook", 50_u64.saturating_sub(at as u64 * 10))]));
        let (ended, at, watched) = waited(held(&[("email", 10)]), draining, None, |_| Ok(()));
        assert_eq!(ended, Ok(held(&[("email", 10), ("webhook", 0)])));
        assert_eq!((at, watched), (5.0, [50, 40, 30, 20, 10].map(Some).to_vec()));
    }

    #[test]
    fn what_is_down_already_isnt_waited_for() {
        let less = |_: f64| Some(held(&[("email", 3)]));
        let (ended, at, watched) = waited(held(&[("email", 10)]), less, None, |_| Ok(()));
        assert_eq!((ended, at, watched.len()), (Ok(held(&[("email", 3)])), 0.0, 0));
    }

    #[test]
    fn a_queue_that_has_become_shorter_doesnt_make_up_for_one_that_has_become_longer() {
        assert_eq!(excess(&held(&[("email", 0), ("webhook", 4)]), &held(&[("email", 500)])), 4);
    }

    #[test]
    fn a_backlog_that_stays_ends_the_search() {
        let (ended, at, _) = waited(Backlog::new(), |_| Some(held(&[("email", 7)])), None, |_| Ok(()));
        assert_eq!((ended.clone(), at), (Err(Early::Backlog(Some(7))), 600.0));
        let told = "the backlog of the last rate is still there: 7 messages after 10 min";
        assert_eq!(ended.unwrap_err().to_string(), told);
    }

    #[test]
    fn queues_that_cant_be_asked_arent_empty() {
        let (ended, at, watched) = waited(Backlog::new(), |_| None, None, |_| Ok(()));
        assert_eq!((ended, at), (Err(Early::Backlog(None)), 600.0));
        assert!(watched.iter().all(Option::is_none) && !watched.is_empty());
        let later = |at: f64| (at >= 3.0).then(Backlog::new);
        assert_eq!(waited(Backlog::new(), later, None, |_| Ok(())).1, 3.0);
    }

    #[test]
    fn the_waiting_can_be_ended() {
        let stays = |_: f64| Some(held(&[("email", 7)]));
        let (ended, at, _) = waited(Backlog::new(), stays, Some(20), |_| Ok(()));
        assert_eq!((ended, at), (Err(Early::Interrupted("Ctrl-C".into())), 20.0));
        let (ended, at, _) = waited(Backlog::new(), stays, None, |_| Err(Early::Guard("STOP is there".into())));
        assert_eq!((ended, at), (Err(Early::Guard("STOP is there".into())), 0.0));
    }
}
