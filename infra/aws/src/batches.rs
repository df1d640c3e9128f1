//! How entries are split into the batches that SNS and SQS take.

use std::ops::Range;

/// The most entries that a batch of SNS or SQS has
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub(crate) const ENTRIES: usize = 10;

/// Entries of these sizes in batches of at most [`ENTRIES`] entries and `limit` bytes in all, in order. An entry that is
/// larger than that is a batch of its own: the service says what it thinks of it.
pub(crate) fn split(sizes: &[usize], limit: usize) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (place, &size) in sizes.iter().enumerate() {
        let full = place - start == ENTRIES || bytes.saturating_add(size) > limit;
        if full && place > start {
            batches.push(start..place);
            (start, bytes) = (place, 0);
        }
        bytes = bytes.saturating_add(size);
    }
    if start < sizes.len() {
        batches.push(start..sizes.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn nothing_makes_no_batch() {
        assert!(split(&[], 100).is_empty());
    }

    #[test]
    fn a_batch_has_at_most_ten_entries() {
        assert_eq!(split(&[1; 10], 100).len(), 1);
        assert_eq!(split(&[1; 11], 100), [0..10, 10..11]);
        assert_eq!(split(&[0; 25], 100), [0..10, 10..20, 20..25]);
    }

    #[test]
    fn a_batch_is_filled_to_its_last_byte_and_no_further() {
        assert_eq!(split(&[50, 50, 1], 100), [0..2, 2..3]);
        assert_eq!(split(&[50, 51, 49], 100), [0..1, 1..3]);
        assert_eq!(split(&[100, 0, 1], 100), [0..2, 2..3]);
    }

    #[test]
    fn an_entry_over_the_limit_stands_alone() {
        assert_eq!(split(&[1, 101, 1], 100), [0..1, 1..2, 2..3]);
        assert_eq!(split(&[usize::MAX, usize::MAX], 100), [0..1, 1..2]);
    }

    #[test]
    fn every_entry_is_in_exactly_one_batch_in_order() {
        let sizes: Vec<usize> = (0..200).map(|n| n * 7919 % 61).collect();
        let batches = split(&sizes, 100);
        let places: Vec<usize> = batches.iter().cloned().flatten().collect();
        assert_eq!(places, (0..200).collect::<Vec<_>>());
        assert!(batches.iter().all(|batch| batch.len() <= 10 && sizes[batch.clone()].iter().sum::<usize>() <= 100));
    }
}
