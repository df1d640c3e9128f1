//! The calls to DynamoDB Streams.

use aws_sdk_dynamodbstreams::{
    Client,
    operation::{get_records::GetRecordsError, get_shard_iterator::GetShardIteratorError},
    types::ShardIteratorType,
};
use futures::{StreamExt as _, stream};

use super::{
    line::{Read, Unreadable},
    record::StreamRecord,
};
use crate::CallError;

/// How many shards are asked at the same time.
const AT_ONCE: usize = 8;

/// The stream of a table.
pub(super) struct Stream<'a> {
    pub(super) client: &'a Client,
    pub(super) arn: &'a str,
}

/// A shard that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) parent: Option<String>,
}

/// Where to read on in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) shard: String,
    /// After this sequence number; from the beginning without one.
    pub(super) after: Option<String>,
    /// The iterator for that place, if there is one.
    pub(super) iterator: Option<String>,
}

/// What was found there.
pub(super) enum Page {
    /// The next records, and where to read on; `next` is `None` at the end of the shard.
    Records { records: Vec<Read>, next: Option<String> },
    /// The iterator is older than 15 minutes.
    Expired,
    /// The place is older than the 24 hours that the stream keeps.
    Trimmed,
}

impl Page {
    /// Whether there was nothing new, so that it isn't worth asking again at once.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Records { records, next } => records.is_empty() && next.is_some(),
            Self::Expired | Self::Trimmed => true,
        }
    }

    /// Those of its records that can't be read.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &Unreadable> {
        let records = if let Self::Records { records, .. } = self { &records[..] } else { &[] };
        records.iter().filter_map(|read| read.change.as_ref().err())
    }
}

impl Stream<'_> {
    /// All shards that there are.
    pub(super) async fn shards(&self) -> Result<Vec<Listed>, CallError> {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let described =
                self.client.describe_stream().stream_arn(self.arn).set_exclusive_start_shard_id(after).send().await;
            let described = described.map_err(|error| CallError::of("dynamodb:DescribeStream", self.arn, &error))?;
            let Some(description) = described.stream_description else { return Ok(listed) };
            listed.extend(
                description
                    .shards
                    .into_iter()
                    .flatten()
                    .filter_map(|shard| Some(Listed { id: shard.shard_id?, parent: shard.parent_shard_id })),
            );
            after = description.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(listed);
            }
        }
    }

    /// The next records of several shards, each with its shard.
    pub(super) async fn read_all(&self, cursors: Vec<Cursor>) -> Vec<(String, Result<Page, CallError>)> {
        let reads: Vec<_> = cursors
            .into_iter()
            .map(|cursor| async move {
                let shard = cursor.shard.clone();
                (shard, self.read(cursor).await)
            })
            .collect();
        stream::iter(reads).buffered(AT_ONCE).collect().await
    }

    async fn read(&self, cursor: Cursor) -> Result<Page, CallError> {
        let iterator = match cursor.iterator {
            Some(iterator) => iterator,
            None => match self.iterator(&cursor.shard, cursor.after).await? {
                Some(iterator) => iterator,
                None => return Ok(Page::Trimmed),
            },
        };
        match self.client.get_records().shard_iterator(iterator).send().await {
            Ok(page) => {
                let records = page.records.into_iter().flatten().filter_map(StreamRecord::of).map(Read::from).collect();
                Ok(Page::Records { records, next: page.next_shard_iterator })
            }
            Err(error) => match error.as_service_error() {
                Some(GetRecordsError::ExpiredIteratorException(_)) => Ok(Page::Expired),
                Some(GetRecordsError::TrimmedDataAccessException(_)) => Ok(Page::Trimmed),
                _ => Err(CallError::of("dynamodb:GetRecords", self.arn, &error)),
            },
        }
    }

    /// An iterator for a place; `None` when it is trimmed.
    async fn iterator(&self, shard: &str, after: Option<String>) -> Result<Option<String>, CallError> {
        let kind = match after {
            Some(_) => ShardIteratorType::AfterSequenceNumber,
            None => ShardIteratorType::TrimHorizon,
        };
        let asked = self.client.get_shard_iterator().stream_arn(self.arn).shard_id(shard);
        match asked.shard_iterator_type(kind).set_sequence_number(after).send().await {
            Ok(answer) => Ok(answer.shard_iterator),
            Err(error) => match error.as_service_error() {
                Some(GetShardIteratorError::TrimmedDataAccessException(_)) => Ok(None),
                _ => Err(CallError::of("dynamodb:GetShardIterator", self.arn, &error)),
            },
        }
    }
}
