use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sendoff_consumers::{Schedule, Schedules, SchedulesError};
use sendoff_events::BoxFuture;

use super::{NoAnswer, QueueState, Remote, lock};

/// All queues, by name.
pub type QueuesState = BTreeMap<String, Arc<Mutex<QueueState>>>;

/// Schedules in memory: messages that wait in their queue until they are due.
pub struct MemorySchedules(pub Remote<QueuesState>);

fn unavailable(_: NoAnswer) -> SchedulesError {
    SchedulesError::Unavailable("no answer".into())
}

impl Schedules for MemorySchedules {
    fn put<'a>(&'a self, schedule: &'a Schedule) -> BoxFuture<'a, Result<(), SchedulesError>> {
        let Schedule { name, due, queue, message } = schedule.clone();
        let answer = self.0.call(move |queues, now| {
            let target = queues.get(&queue).ok_or(SchedulesError::NoSuchQueue(queue))?;
            for queue in queues.values() {
                lock(queue).take_back(&name, now);
            }
            lock(target).push_at(due, message, now, Some(name));
            Ok(())
        });
        Box::pin(async move { answer.await.map_err(unavailable)? })
    }

    fn cancel<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, SchedulesError>> {
        let name = name.to_owned();
        let answer = self.0.call(move |queues, now| {
            // At most one waits under the name.
            queues.values().any(|queue| lock(queue).take_back(&name, now))
        });
        Box::pin(async move { answer.await.map_err(unavailable) })
    }
}
