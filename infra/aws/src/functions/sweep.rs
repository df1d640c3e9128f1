//! The function `sweep`: publishes, on a schedule, what was committed a while ago and has still not been published.

use std::pin::pin;

use futures::future::{Either, select};
use sendoff_producers::relay::{self, Relayed};
use serde::Serialize;
use serde_json::value::RawValue;

use super::parts::Parts;
use crate::{
    lambda::{Deadline, Function, FunctionError, Invocation, answer, run},
    settings::Need,
};

/// How many events it publishes at a time.
const BATCH: usize = 100;

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
        let sweep = relay::sweep(&*outbox, &*publisher, clock, BATCH);
        let time_up = clock.sleep(Deadline::until(clock.now(), invocation.deadline.drop));
        let Relayed { published, left, unmarked } = match select(pin!(sweep), time_up).await {
            Either::Left((relayed, _)) => relayed.map_err(FunctionError::backend)?,
            Either::Right(_) => {
                tracing::warn!("there was more to sweep than there was time; the next run goes on");
                return answer(&Swept { published: 0, finished: false });
            }
        };
        for (event_id, error) in &left {
            tracing::error!(%event_id, %error, "a committed event can't be published; the next run tries again");
        }
        if published > 0 {
            tracing::info!(published, unmarked, "events were published that neither the API nor the relay had");
        }
        match left.len() {
            0 => answer(&Swept { published, finished: true }),
            // An error, so that the function's alarm tells of it: nobody else comes after the sweep.
            left => {
                Err(FunctionError::backend(format_args!("{left} committed events can't be published; see the log")))
            }
        }
    }

    fn flush(&self) {
        self.parts.flush();
    }
}
