//! Which bodies of a commit don't travel in its transaction, and where they are put.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sendoff_events::{BlobError, Blobs, EventId, Outgoing, Pointer};

/// How many bytes of items a transaction is filled up to. DynamoDB takes 4 MB; the rest is for how it counts.
const FULL: usize = 3 * 1024 * 1024;
/// The largest body that stands in an item, whatever the topic takes: an item has 400 KB.
const LARGEST_INLINE: usize = 350 * 1024;
/// How many bodies are put aside at the same time.
const AT_ONCE: usize = 8;

/// The pointer to an event's body. The key is always the same for an event, so whoever puts the body aside again puts it
/// there.
fn pointer(bucket: &str, id: EventId) -> Result<Pointer, BlobError> {
    let key = format!("events/{id}").parse().map_err(BlobError::Unavailable)?;
    Ok(Pointer { bucket: bucket.to_owned(), key })
}

/// Which bodies have to be put aside: those over the topic's limit, which would have to be anyway, and after them the largest
/// ones, until what is left fits into a transaction that holds `others` bytes of other items.
fn chosen(sizes: &[usize], limit: usize, others: usize) -> Vec<bool> {
    let limit = limit.min(LARGEST_INLINE);
    let mut aside: Vec<bool> = sizes.iter().map(|size| *size > limit).collect();
    let mut left = others + sizes.iter().zip(&aside).filter(|(_, aside)| !**aside).map(|(size, _)| size).sum::<usize>();
    let mut largest: Vec<usize> = (0..sizes.len()).filter(|n| !aside[*n]).collect();
    largest.sort_by_key(|n| std::cmp::Reverse(sizes[*n]));
    for n in largest {
        if left <= FULL {
            break;
        }
        aside[n] = true;
        left -= sizes[n];
    }
    aside
}

/// Puts the bodies aside that don't fit, durably, before anything points to them. Gives a pointer for each that was.
///
/// # Errors
///
/// [`BlobError`] when one can't be stored.
pub(crate) async fn put_aside(
    events: &[Outgoing],
    limit: usize,
    others: usize,
    blobs: &dyn Blobs,
) -> Result<Vec<Option<Pointer>>, BlobError> {
    let sizes: Vec<usize> = events.iter().map(|event| event.body().len()).collect();
    let put = events.iter().zip(chosen(&sizes, limit, others)).map(|(event, aside)| async move {
        if !aside {
            return Ok(None);
        }
        let pointer = pointer(blobs.bucket(), event.id())?;
        blobs.put(&pointer.key, event.body().clone()).await?;
        Ok(Some(pointer))
    });
    // Collected first: the compiler can't see through the closure's lifetime otherwise.
    let put: Vec<_> = put.collect();
    stream::iter(put).buffered(AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_topic_does_not_take_is_put_aside_and_nothing_else_while_it_fits() {
        assert_eq!(chosen(&[10, 11, 0, 12], 10, 0), [false, true, false, true]);
        assert_eq!(chosen(&[], 10, FULL * 2), Vec::<bool>::new());
    }

    #[test]
    fn when_the_transaction_is_full_the_largest_go_first_and_no_more_than_needed() {
        let sizes = [250 * 1024, 1024, 251 * 1024, 249 * 1024];
        assert_eq!(chosen(&sizes, 255 * 1024, FULL - 300 * 1024), [true, false, true, false]);
        let many = [255 * 1024; 99];
        let aside = chosen(&many, 255 * 1024, 0);
        assert_eq!(aside.iter().filter(|aside| !**aside).count(), FULL / (255 * 1024));
    }

    #[test]
    fn a_topic_that_takes_more_than_an_item_holds_does_not_make_items_too_large() {
        assert_eq!(chosen(&[400 * 1024], 1024 * 1024, 0), [true]);
    }
}
