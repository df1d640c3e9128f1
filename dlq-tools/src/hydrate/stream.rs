//! Reading what a pointer points to from its stream.

use aws_sdk_dynamodbstreams::{Client, error::SdkError, types::ShardIteratorType};
use sendoff_aws::CallError;

use super::{StreamChange, StreamPointer, pointer::order};

/// So often is a page without records taken for one of many: a shard has gaps.
const EMPTY_PAGES: usize = 50;

/// What the stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// The records.
    Found(Vec<StreamChange>),
    /// The stream has forgotten them.
    Trimmed,
    /// There is no such stream or shard: it was forgotten with its last record, or never was here.
    Missing,
    /// The shard was read to where the batch ended, or as far as it goes, and these are all that there are, although the pointer
    /// tells of more.
    Part(Vec<StreamChange>),
}

/// The records that a pointer points to.
///
/// # Errors
///
/// [`CallError`] when the stream can't be read for another reason than its age.
pub async fn read(client: &Client, pointer: &StreamPointer) -> Result<Read, CallError> {
    let StreamPointer { stream_arn, shard, first, .. } = pointer;
    let asked = client.get_shard_iterator().stream_arn(stream_arn).shard_id(shard);
    let asked = asked.shard_iterator_type(ShardIteratorType::AtSequenceNumber).sequence_number(first).send().await;
    let mut iterator = match asked {
        Ok(answer) => answer.shard_iterator,
        Err(SdkError::ServiceError(told)) if told.err().is_resource_not_found_exception() => {
            return Ok(Read::Missing);
        }
        Err(SdkError::ServiceError(told)) if told.err().is_trimmed_data_access_exception() => return Ok(Read::Trimmed),
        Err(error) => return Err(CallError::of("dynamodb:GetShardIterator", stream_arn, &error)),
    };
    let (mut found, mut empty) = (Vec::new(), 0);
    while let Some(at) = iterator {
        let page = match client.get_records().shard_iterator(at).send().await {
            Ok(page) => page,
            Err(SdkError::ServiceError(told)) if told.err().is_trimmed_data_access_exception() => {
                return Ok(Read::Trimmed);
            }
            Err(error) => return Err(CallError::of("dynamodb:GetRecords", stream_arn, &error)),
        };
        let records: Vec<_> = page.records.unwrap_or_default().into_iter().filter_map(StreamChange::read).collect();
        empty = if records.is_empty() { empty + 1 } else { 0 };
        let is_past = records.last().is_some_and(|last| order(&last.sequence) >= order(&pointer.last));
        found.extend(records.into_iter().filter(|change| pointer.holds(&change.sequence)));
        iterator = page.next_shard_iterator.filter(|_| !is_past && empty < EMPTY_PAGES);
    }
    // Filters of the mapping leave records out, so a batch may be smaller than what stands between its ends, but never larger.
    let whole = !found.is_empty() && found.len() as u64 >= pointer.size;
    Ok(if whole { Read::Found(found) } else { Read::Part(found) })
}
