//! Looking at a deployment on AWS: only calls that list and describe.

mod alarms;
mod mappings;
mod queues;
mod storage;
mod subscriptions;

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use sendoff_aws::Store;
use sendoff_events::Timestamp;

use crate::doctor::{Kind, Model};

/// So many calls at once: their limits are low, and nobody is in a hurry.
const AT_ONCE: usize = 8;

/// Everything that the rules ask about.
pub async fn look(store: &Store, now: Timestamp, inbox_keep: Duration) -> Model {
    let mut model = Model::empty(Kind::Aws, now, inbox_keep);
    model.topic = store.resources().topic_arn.clone();
    queues::look(store, &mut model).await;
    subscriptions::look(store, &mut model).await;
    mappings::look(store, &mut model).await;
    alarms::look(store, &mut model).await;
    storage::look(store, &mut model).await;
    model
}

/// Does something to each, several at a time, and gives the results in order.
async fn each<T, R>(all: Vec<T>, ask: impl AsyncFn(T) -> R) -> Vec<R> {
    stream::iter(all).map(|one| ask(one)).buffered(AT_ONCE).collect().await
}
