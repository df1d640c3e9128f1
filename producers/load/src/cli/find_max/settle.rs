//! Before each rate: waiting until the last one has left nothing behind.

use std::{path::Path, pin::pin, sync::Arc};

use futures::{
    FutureExt as _,
    future::{Either, select},
};
use sendoff_host::Stopped;

use super::Search;
use crate::{
    arrivals::Rate,
    cli::{Session, execute::check, place::unusable, stopping::Stopping},
    find_max::{Early, backlog, settled},
    guards::{self, Halt},
    target::Target,
    targets,
};

/// How many looks in vain there are from one word about the waiting to the next.
const TOLD_EVERY: u32 = 10;

impl Search {
    /// Waits until nothing of the last rate is left in the queues. Gives how many messages they hold then.
    pub(super) async fn settle(
        &mut self,
        session: &mut Session,
        rate: Rate,
        switch: &Path,
        stopping: &Stopping,
    ) -> Result<Result<u64, Early>, Stopped> {
        let place = &self.args.place;
        if place.is_gone_afterwards() {
            return Ok(Ok(0));
        }
        let trial = self.at(rate);
        check(session, place, &trial, switch)?;
        let options = place.options(session, &trial.guards.allow)?;
        let target = targets::open(&options).await.map_err(|error| unusable(&error))?;
        let halt = Arc::new(Halt::default());
        let halting = stopping.halts(halt.clone());
        let settled = self.settled(session, &*target, switch, &halt).await;
        halting.abort();
        self.spent += target.usage().await.ok().and_then(|usage| usage.cost).unwrap_or_default();
        let _ = target.stop().await;
        settled
    }

    async fn settled(
        &mut self,
        session: &mut Session,
        target: &dyn Target,
        switch: &Path,
        halt: &Halt,
    ) -> Result<Result<u64, Early>, Stopped> {
        let stopped = async {
            halt.stop().requested().await;
            halt.reason().map(|reason| reason.to_string()).unwrap_or_default()
        };
        let Some(before) = &self.before else {
            let held = match select(target.depths(), pin!(stopped)).await {
                Either::Left((depths, _)) => backlog(depths.map_err(|error| unusable(&error))?),
                Either::Right((why, _)) => return Ok(Err(Early::Interrupted(why))),
            };
            return Ok(Ok(self.before.insert(held).values().sum()));
        };
        let ask = || target.depths().map(|depths| depths.ok().map(backlog)).boxed();
        let (clock, mut looks) = (session.clock.clone(), 0_u32);
        let watch = |left: Option<u64>| {
            guards::check_switch(switch).map_err(|refusal| Early::Guard(refusal.to_string()))?;
            if looks.is_multiple_of(TOLD_EVERY) {
                let left = left.map_or_else(|| "unknown".into(), |left| format!("{left} messages"));
                session.prose(format_args!("waiting until the backlog of the last rate is gone: {left}"));
            }
            looks += 1;
            Ok(())
        };
        let held = settled(before, ask, &*clock, stopped, watch).await;
        Ok(held.map(|held| held.values().sum()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        io::{self, Write},
        sync::Mutex,
        time::Duration,
    };

    use sendoff_consumers::{Depth, Subscriber};
    use sendoff_events::{BoxFuture, Clock, EventId, Timestamp};
    use sendoff_tests::simulation::{Process, World, WorldClock};

    use super::*;
    use crate::{
        RunId, Via,
        cli::find_max::tests::search,
        target::{Accepted, Cleaned, Found, Parcel, Person, Seen, SendError, TargetError, Usage},
    };

    /// A system whose one queue holds what it holds at a moment, and that can do nothing else.
    struct Queue {
        clock: WorldClock,
        began: Timestamp,
        held: fn(f64) -> u64,
    }

    impl Target for Queue {
        fn name(&self) -> String {
            "a queue".into()
        }

        fn depths(&self) -> BoxFuture<'_, Result<BTreeMap<String, Depth>, TargetError>> {
            let visible = (self.held)(self.clock.now().duration_since(self.began).as_secs_f64());
            let depth = Depth { visible, in_flight: 0, delayed: 0, dead: 9 };
            Box::pin(async move { Ok(BTreeMap::from([("email".to_owned(), depth)])) })
        }

        fn subscribers(&self) -> BoxFuture<'_, Result<Vec<Subscriber>, TargetError>> {
            unimplemented!()
        }

        fn ready<'a>(&'a self, _: &'a RunId, _: Via) -> BoxFuture<'a, Result<(), TargetError>> {
            unimplemented!()
        }

        fn prepare<'a>(&'a self, _: &'a RunId, _: &'a [Person]) -> BoxFuture<'a, Result<(), TargetError>> {
            unimplemented!()
        }

        fn send<'a>(&'a self, _: Via, _: &'a [Parcel]) -> BoxFuture<'a, Vec<Result<Accepted, SendError>>> {
            unimplemented!()
        }

        fn find<'a>(&'a self, _: &'a RunId, _: &'a [u64]) -> BoxFuture<'a, Result<Option<Found>, TargetError>> {
            unimplemented!()
        }

        fn look<'a>(&'a self, _: &'a [(EventId, String)]) -> BoxFuture<'a, Result<Vec<Seen>, TargetError>> {
            unimplemented!()
        }

        fn dead_poison<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Result<BTreeMap<String, u64>, TargetError>> {
            unimplemented!()
        }

        fn dead_events<'a>(
            &'a self,
            _: &'a RunId,
        ) -> BoxFuture<'a, Result<BTreeMap<String, Vec<EventId>>, TargetError>> {
            unimplemented!()
        }

        fn usage(&self) -> BoxFuture<'_, Result<Usage, TargetError>> {
            unimplemented!()
        }

        fn clean<'a>(&'a self, _: &'a RunId, _: bool) -> BoxFuture<'a, Result<Cleaned, TargetError>> {
            unimplemented!()
        }

        fn stop(&self) -> BoxFuture<'_, Result<(), TargetError>> {
            unimplemented!()
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_later_rate_waits_for_what_the_queues_held_before_the_first_one_and_says_so() {
        let mut world = World::new(1);
        let (clock, lines) = (world.clock(), Lines::default());
        let began = clock.now();
        // 3 messages of others, then 20 more, of which one a second is handled.
        let held = |at: f64| if at < 1.0 { 3 } else { 24_u64.saturating_sub(at as u64).max(3) };
        let queue = Queue { clock: clock.clone(), began, held };
        let mut session = Session {
            clock: Arc::new(clock.clone()),
            folder: "nowhere".into(),
            out: Box::new(io::sink()),
            err: Box::new(lines.clone()),
            err_is_terminal: false,
        };
        let slot = Arc::new(Mutex::new(None));
        let result = slot.clone();
        world.spawn(Process(1), async move {
            let (mut search, halt) = (search("", &[]), Halt::default());
            let switch = Path::new("nowhere/STOP");
            let first = search.settled(&mut session, &queue, switch, &halt).await.ok();
            clock.sleep(Duration::from_secs(1)).await;
            let second = search.settled(&mut session, &queue, switch, &halt).await.ok();
            *result.lock().unwrap() = Some((first, second, clock.now().duration_since(began).as_secs_f64()));
        });
        while world.alive(Process(1)) > 0 {
            assert!(world.step(), "it waits for something that never comes");
        }
        assert_eq!(slot.lock().unwrap().take(), Some((Some(Ok(3)), Some(Ok(3)), 21.0)));
        let told = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let waiting = |left| format!("waiting until the backlog of the last rate is gone: {left} messages\n");
        assert_eq!(told, waiting(20) + &waiting(10));
    }
}
