//! To the consumers' queues, past the topic.

use std::collections::BTreeMap;

use sendoff_consumers::{Attributes, DeadLetters, Destination, OutgoingLetter, QueueError, Subscriber};

use super::{Sent, attributes, event, misplaced, refused};
use crate::target::{Accepted, Parcel, SendError};

/// Sends each parcel to the queue of each consumer that the topic would have given it to: one call for each queue.
pub(super) async fn send(letters: &dyn DeadLetters, subscribers: &[Subscriber], parcels: &[Parcel]) -> Vec<Sent> {
    let outgoing: Vec<Option<OutgoingLetter>> = parcels.iter().map(letter).collect();
    let mut told: Vec<Vec<Result<(), QueueError>>> = vec![Vec::new(); parcels.len()];
    for subscriber in subscribers {
        let wants = |letter: &OutgoingLetter| subscriber.filter.as_ref().is_some_and(|f| f.accepts(&letter.attributes));
        let (places, batch): (Vec<usize>, Vec<OutgoingLetter>) = outgoing
            .iter()
            .enumerate()
            .filter_map(|(place, letter)| Some((place, letter.as_ref().filter(|letter| wants(letter))?.clone())))
            .unzip();
        if batch.is_empty() {
            continue;
        }
        let sent = letters.send(&Destination::Queue(subscriber.queue.clone()), &batch).await;
        for (place, result) in places.into_iter().zip(sent) {
            told[place].push(result.map(drop));
        }
    }
    parcels
        .iter()
        .zip(&outgoing)
        .zip(told)
        .map(|((parcel, letter), told)| result(parcel, letter.is_some(), &told))
        .collect()
}

fn letter(parcel: &Parcel) -> Option<OutgoingLetter> {
    let (body, attributes): (_, Attributes) = match parcel {
        Parcel::Poison { body, attributes, .. } => (body.clone(), attributes.clone()),
        Parcel::Request(_) => return None,
        Parcel::Event(_) | Parcel::Again(_) => {
            let event = event(parcel)?;
            (event.body().clone(), attributes(event))
        }
    };
    let group = attributes.get("tenant").cloned();
    let dedup = match parcel {
        Parcel::Poison { number, .. } => format!("poison-{number}"),
        _ => event(parcel)?.id().to_string(),
    };
    Some(OutgoingLetter { body, attributes, types: BTreeMap::new(), group, dedup, copy_of: None })
}

fn result(parcel: &Parcel, is_letter: bool, told: &[Result<(), QueueError>]) -> Sent {
    if !is_letter {
        return misplaced("queue");
    }
    match told.iter().find_map(|result| result.as_ref().err()) {
        None if told.is_empty() => refused("no consumer subscribed to it"),
        None => Ok(Accepted { events: event(parcel).map(|event| event.id()).into_iter().collect() }),
        Some(error @ QueueError::Refused(_)) if told.iter().all(Result::is_err) => refused(&error.to_string()),
        // It may stand in some of the queues.
        Some(error) => Err(SendError::Unknown(error.to_string())),
    }
}
