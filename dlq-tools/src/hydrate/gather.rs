//! From pointers to changes: what stands beside the pointer, else the bucket, else the stream.

use std::collections::{BTreeMap, BTreeSet};

use sendoff_aws::{CallError, Store};
use sendoff_events::Timestamp;

use super::{
    Hydrated, Lost, Standing, StreamChange, StreamPointer,
    s3::{self, Batch},
    standing::of_item,
    stream::{self, Read},
};

/// A dead letter that is a pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointing {
    /// The message.
    pub message_id: String,
    /// Where its records stood.
    pub pointer: StreamPointer,
    /// The records, where they stand beside it.
    pub beside: Vec<StreamChange>,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub struct Gathered {
    /// The changes, those that expire soonest first.
    pub found: Vec<Hydrated>,
    /// The pointers whose records can't be had.
    pub lost: Vec<Lost>,
    /// What went wrong on the way, in words.
    pub troubles: Vec<String>,
}

/// Finds what the letters point to; without letters, everything that is in the bucket.
pub async fn gather(store: &Store, mut letters: Vec<Pointing>, bucket: Option<&str>, now: Timestamp) -> Gathered {
    let mut gathered = Gathered::default();
    letters.sort_by_key(|letter| letter.pointer.expires_at());
    let batches = match bucket {
        Some(bucket) => batches(store, bucket, &letters, &mut gathered).await,
        None => Vec::new(),
    };
    if letters.is_empty() {
        for batch in &batches {
            gathered.batch(None, batch, |_| true);
        }
    }
    for Pointing { message_id, pointer, beside } in letters {
        if !beside.is_empty() {
            gathered.add("letter", Some(&message_id), None, &pointer, None, beside);
            continue;
        }
        let mut is_there = false;
        for batch in batches.iter().filter(|batch| batch.pointer.overlaps(&pointer)) {
            is_there |= gathered.batch(Some(&message_id), batch, |change| pointer.holds(&change.sequence));
        }
        if is_there {
            continue;
        }
        let expires_at = pointer.expires_at();
        let lost = |pointer: &StreamPointer, why: String, for_good| Lost {
            message_id: Some(message_id.clone()),
            pointer: pointer.clone(),
            why,
            for_good,
        };
        match stream::read(store.aws().streams(), &pointer).await {
            Ok(Read::Found(changes)) => {
                gathered.add("stream", Some(&message_id), None, &pointer, expires_at, changes);
            }
            Ok(Read::Part(changes)) => {
                let why = format!("{} of its {} records are still in the stream", changes.len(), pointer.size);
                gathered.lost.push(lost(&pointer, why, true));
                gathered.add("stream", Some(&message_id), None, &pointer, expires_at, changes);
            }
            // A shard is gone with its last record; before that, one that isn't there never was.
            Ok(Read::Missing) if expires_at.is_some_and(|at| at > now) => {
                let StreamPointer { stream_arn, shard, .. } = &pointer;
                let why = format!(
                    "there is no stream `{stream_arn}` with the shard `{shard}` here: is this the right account and region, or \
                     was the stream switched off and on?"
                );
                gathered.lost.push(lost(&pointer, why, false));
            }
            Ok(Read::Trimmed | Read::Missing) => {
                let since =
                    expires_at.filter(|at| *at < now).map(|at| format!(", about since {at}")).unwrap_or_default();
                let why = format!("the stream has forgotten them{since}: it keeps records for 24 hours");
                gathered.lost.push(lost(&pointer, why, true));
            }
            Err(error) => gathered.lost.push(lost(&pointer, error.to_string(), false)),
        }
    }
    gathered.judge(store).await;
    gathered.found.sort_by(|a, b| {
        // What never expires comes last.
        let key = |one: &Hydrated| (one.expires_at.is_none(), one.expires_at, one.object.clone());
        (key(a), super::pointer::order(&a.change.place)).cmp(&(key(b), super::pointer::order(&b.change.place)))
    });
    gathered
}

/// The batches in the bucket that may hold what the letters point to.
async fn batches(store: &Store, bucket: &str, letters: &[Pointing], gathered: &mut Gathered) -> Vec<Batch> {
    let s3 = store.aws().s3();
    let shards: BTreeSet<&str> = letters.iter().map(|letter| &*letter.pointer.shard).collect();
    let keys = match s3::keys(s3, bucket, &shards).await {
        Ok(keys) => keys,
        Err(error) => {
            gathered.troubles.push(error.to_string());
            return Vec::new();
        }
    };
    let mut batches = Vec::new();
    for key in keys {
        match s3::read(s3, bucket, &key).await {
            Ok(Some(batch)) => {
                if batch.unreadable > 0 {
                    gathered.troubles.push(format!("{bucket}/{key}: {} records can't be read", batch.unreadable));
                }
                batches.push(batch);
            }
            Ok(None) => gathered.troubles.push(format!("{bucket}/{key} holds no batch of a stream with its records")),
            Err(error) => gathered.troubles.push(error.to_string()),
        }
    }
    batches
}

impl Gathered {
    fn batch(&mut self, message_id: Option<&str>, batch: &Batch, wanted: impl Fn(&StreamChange) -> bool) -> bool {
        let changes: Vec<_> = batch.changes.iter().filter(|change| wanted(change)).cloned().collect();
        let is_there = !changes.is_empty();
        self.add("s3", message_id, Some(&batch.key), &batch.pointer, None, changes);
        is_there
    }

    fn add(
        &mut self,
        from: &'static str,
        message_id: Option<&str>,
        object: Option<&str>,
        pointer: &StreamPointer,
        expires_at: Option<Timestamp>,
        changes: Vec<StreamChange>,
    ) {
        self.found.extend(changes.into_iter().map(|change| Hydrated {
            from,
            message_id: message_id.map(str::to_owned),
            object: object.map(str::to_owned),
            expires_at,
            standing: Standing::Unknown,
            change: change.shown(),
            source: Some((pointer.stream_arn.clone(), change)),
        }));
    }

    /// Compares each with its record as it is now. A table that can't be read is asked once.
    async fn judge(&mut self, store: &Store) {
        let mut deaf: BTreeMap<String, CallError> = BTreeMap::new();
        for hydrated in &mut self.found {
            let Some((stream, change)) = hydrated.source.take() else { continue };
            if deaf.contains_key(&stream) {
                continue;
            }
            match of_item(store.aws().dynamodb(), &stream, &change).await {
                Ok(standing) => hydrated.standing = standing,
                Err(error) => drop(deaf.insert(stream, error)),
            }
        }
        self.troubles.extend(deaf.into_values().map(|error| format!("whether a change is superseded: {error}")));
    }
}
