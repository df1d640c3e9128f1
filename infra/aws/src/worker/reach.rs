//! Whether everything that the worker works with can be reached.

use futures::future::join_all;
use sendoff_consumers::WORKFLOW_KICKOFF;
use sendoff_events::BoxFuture;

use super::ask;
use crate::{CallError, Store};

/// Asks everything at once: the tables, the topic, the bucket, and what these consumers and reactions work with.
///
/// # Errors
///
/// Each call that failed.
pub(super) async fn all(store: &Store, consumers: &[&str], reactions: &[&str]) -> Result<(), Vec<CallError>> {
    type Asked<'a> = BoxFuture<'a, Result<(), CallError>>;
    let resources = store.resources();
    let mut asked: Vec<Asked<'_>> = vec![
        Box::pin(ask::records(store)),
        Box::pin(ask::inbox(store)),
        Box::pin(ask::topic(store)),
        Box::pin(ask::bucket(store)),
    ];
    for name in consumers {
        asked.push(Box::pin(ask::queue(store, resources.queue_url(name))));
        asked.push(Box::pin(ask::queue(store, resources.dead_letter_url(name))));
    }
    for name in reactions {
        asked.push(Box::pin(ask::queue(store, resources.dead_letter_url(name))));
    }
    if consumers.contains(&WORKFLOW_KICKOFF) {
        asked.push(Box::pin(ask::runs(store)));
    }
    if let Some(stream) = &resources.stream_arn {
        asked.push(Box::pin(ask::stream(store, stream)));
    }
    failures(join_all(asked).await)
}

/// Asks the queues only.
///
/// # Errors
///
/// Each call that failed.
pub(super) async fn queues(store: &Store, consumers: &[&str]) -> Result<(), Vec<CallError>> {
    let urls = consumers.iter().map(|name| store.resources().queue_url(name));
    failures(join_all(urls.map(|url| ask::queue(store, url))).await)
}

fn failures(answers: Vec<Result<(), CallError>>) -> Result<(), Vec<CallError>> {
    let failures: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
