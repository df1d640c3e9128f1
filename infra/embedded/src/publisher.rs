//! Publishing without a commit: load tests, replays of events, and the relay.

use std::sync::Arc;

use sendoff_events::{BoxFuture, Outgoing};
use sendoff_producers::{PublishError, Publisher};

use crate::{
    blobs::FolderBlobs,
    db::Db,
    topics::{self, Prepared},
};

/// [`Publisher`] over the data file. All events of a call that can be published are, in one transaction.
pub(crate) struct SqlitePublisher {
    pub(crate) db: Arc<Db>,
    pub(crate) blobs: Arc<FolderBlobs>,
    pub(crate) max_body: usize,
}

impl Publisher for SqlitePublisher {
    fn publish<'a>(&'a self, events: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            let mut results = vec![Ok(()); events.len()];
            let mut prepared = Vec::with_capacity(events.len());
            for (place, event) in events.iter().enumerate() {
                match Prepared::new(event, &self.blobs, self.max_body).await {
                    Ok(event) => prepared.push((place, event)),
                    Err(error) => results[place] = Err(PublishError::Unavailable(error.to_string())),
                }
            }
            let places: Vec<usize> = prepared.iter().map(|(place, _)| *place).collect();
            let published = self.db.write_isolated(move |tx| {
                let mut clashes = Vec::new();
                for (place, event) in &prepared {
                    if event.clashes(tx)? {
                        clashes.push(*place);
                    } else {
                        topics::publish(tx, event, tx.now, None)?;
                    }
                }
                Ok(clashes)
            });
            match published.await {
                Ok(clashes) => {
                    for place in clashes {
                        let why = format!("another event was published before under the id {}", events[place].id());
                        results[place] = Err(PublishError::Refused(why));
                    }
                }
                Err(error) => {
                    places.into_iter().for_each(|i| results[i] = Err(PublishError::Unavailable(error.to_string())));
                }
            }
            results
        })
    }
}
