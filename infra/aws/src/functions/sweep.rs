//! The function `sweep`: publishes, on a schedule, what was committed a while ago and has still not been published.

use std::pin::pin;

use futures::future::{Either, select};
use sendoff_producers::{
    OutboxError,
    relay::{self, Relayed},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    lambda::{Deadline, Function, FunctionError, Invocation, answer, run},
    settings::Need,
};

/// How many events it publishes at a time.
const BATCH: usize = 100;

/// What is answered. What stays behind is an error, so that the function's alarm tells of it: nobody else comes after the sweep.
fn outcome(relayed: &Relayed, ended: Option<Result<(), OutboxError>>) -> Result<Box<RawValue>, FunctionError> {
    let (published, left, unmarked) = (relayed.published, relayed.left_over(), relayed.unmarked);
    relayed.tell();
    if published > 0 {
        tracing::info!(published, unmarked, "events were published that neither the API nor the relay had");
    }
    let finished = ended.is_some();
    ended.unwrap_or(Ok(())).map_err(FunctionError::backend)?;
    if left > 0 {
        return Err(FunctionError::backend(format_args!("{left} committed events can't be published; see the log")));
    }
    if !finished {
        if published == 0 {
            return Err(FunctionError::backend("its time was over before it had published anything; see the log"));
        }
        tracing::warn!("there was more to sweep than there was time; the next run goes on");
    }
    answer(&Swept { published, finished })
}

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

struct Sweep {
    parts: Parts,
}

async fn make() -> Result<Sweep, FunctionError> {
    Ok(Sweep { parts: Parts::of(&[Need::Table, Need::Topic, Need::Bucket])? })
}

/// What it did, for whoever calls it by hand.
#[derive(Serialize)]
struct Swept {
    published: usize,
    /// Whether it came to the end, or the next run has to go on.
    finished: bool,
}

impl Function for Sweep {
    /// Whatever the event: there is only one thing to do.
    async fn handle(&self, _: &RawValue, invocation: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        let (outbox, publisher) = (self.parts.store.outbox(), self.parts.publisher("sweep"));
        let clock = &*self.parts.clock;
        let mut relayed = Relayed::default();
        let sweep = relay::sweep_into(&mut relayed, &*outbox, &*publisher, clock, BATCH);
        let time_up = clock.sleep(Deadline::until(clock.now(), invocation.deadline.drop));
        let ended = match select(pin!(sweep), time_up).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(_) => None,
        };
        outcome(&relayed, ended)
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

#[cfg(test)]
mod tests {
    use sendoff_events::EventId;
    use sendoff_producers::{PublishError, Stuck};

    use super::*;

    #[test]
    fn what_stays_behind_fails_the_run_also_when_its_time_was_over() {
        let id = EventId::from_bytes([7; 16]);
        let stuck =
            Relayed { stuck: vec![Stuck { event: id.to_string(), why: "no body".into() }], ..Relayed::default() };
        let left = Relayed { left: vec![(id, PublishError::Refused("no".into()))], ..Relayed::default() };
        for relayed in [stuck, left].map(|one| Relayed { published: 3, ..one }) {
            for ended in [Some(Ok(())), None] {
                let error = outcome(&relayed, ended).unwrap_err().to_string();
                assert!(error.contains("1 committed events can't be published"), "{error}");
            }
        }
        assert!(outcome(&Relayed::default(), None).is_err(), "nothing was published in all its time");
        assert!(outcome(&Relayed::default(), Some(Err(OutboxError("down".into())))).is_err());
    }

    #[test]
    fn a_run_that_published_tells_how_many_and_whether_it_came_to_the_end() {
        let relayed = Relayed { published: 3, ..Relayed::default() };
        assert_eq!(outcome(&relayed, Some(Ok(()))).unwrap().get(), r#"{"published":3,"finished":true}"#);
        assert_eq!(outcome(&relayed, None).unwrap().get(), r#"{"published":3,"finished":false}"#);
    }
}
