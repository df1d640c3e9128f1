//! By the topic.

use sendoff_events::Outgoing;
use sendoff_producers::{PublishError, Publisher};

use super::{Sent, event, misplaced};
use crate::target::{Accepted, Parcel, SendError};

/// Publishes all events in one call.
pub(super) async fn send(publisher: &dyn Publisher, parcels: &[Parcel]) -> Vec<Sent> {
    let events: Vec<Outgoing> = parcels.iter().filter_map(event).cloned().collect();
    let mut published = publisher.publish(&events).await.into_iter();
    let result = |parcel| match event(parcel) {
        None => misplaced("topic"),
        Some(event) => match published.next() {
            Some(Ok(())) => Ok(Accepted { events: vec![event.id()] }),
            Some(Err(error)) => Err(failed(&error)),
            None => Err(SendError::Unknown("the topic gave no answer for it".into())),
        },
    };
    parcels.iter().map(result).collect()
}

fn failed(error: &PublishError) -> SendError {
    match error {
        PublishError::Refused(_) | PublishError::Throttled { .. } => SendError::Refused(error.to_string()),
        PublishError::Unavailable(_) => SendError::Unknown(error.to_string()),
    }
}
