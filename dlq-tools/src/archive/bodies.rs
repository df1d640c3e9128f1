//! The large bodies of letters that are put back. An archive holds them, since the store of bodies forgets: whatever isn't there any more
//! is put there again, where the letter's claim check points.

use futures::future::join_all;
use sendoff_events::{BlobError, Blobs, Pointer};
use sendoff_host::{Exit, Stopped};

use crate::{letter::Letter, snapshot::Snapshot};

/// How many bodies are looked for at a time.
const AT_ONCE: usize = 32;

/// What came of the large bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Bodies {
    /// Those that were gone, and are there again.
    pub put_back: u64,
    /// Those that are gone: the archive doesn't have them, or has something else in their place.
    pub gone: u64,
    /// Those of which nobody knows: no bucket is named to look into.
    pub not_looked_for: u64,
}

/// What came of one.
enum Came {
    Nothing,
    PutBack,
    Gone,
    NotLookedFor,
}

/// The letter as it is in a deployment that keeps its bodies in this bucket: a claim check to another bucket, of which the letter has the
/// body, points to this one.
#[must_use]
pub fn at_home(mut letter: Letter, bucket: &str) -> Letter {
    let pointer = letter.claim_check().filter(|pointer| is_named(bucket) && pointer.bucket != bucket);
    if let Some(Pointer { key, .. }) = pointer.filter(|pointer| letter.large_body(&pointer.key).is_some()) {
        letter.message.body = Pointer { bucket: bucket.to_owned(), key }.to_body().into();
    }
    letter
}

/// Puts the bodies of these letters back that aren't there any more. What is there is never replaced.
///
/// # Errors
///
/// When the letters can't be read, or the store of bodies doesn't answer.
pub async fn put_back(letters: &Snapshot, ids: &[&String], blobs: &dyn Blobs) -> Result<Bodies, Stopped> {
    let failed = |error| Stopped::new(Exit::Unreachable, format_args!("a large body can't be put back: {error}"));
    let mut told = Bodies::default();
    for ids in ids.chunks(AT_ONCE) {
        let some: Result<Vec<_>, _> = ids.iter().filter_map(|id| letters.letter(id).transpose()).collect();
        let some = some?;
        for came in join_all(some.iter().map(|letter| one(letter, blobs))).await {
            match came.map_err(failed)? {
                Came::Nothing => {}
                Came::PutBack => told.put_back += 1,
                Came::Gone => told.gone += 1,
                Came::NotLookedFor => told.not_looked_for += 1,
            }
        }
    }
    Ok(told)
}

/// Whether this is the name of a bucket: where none was given on AWS, a text in brackets says so in its place.
fn is_named(bucket: &str) -> bool {
    !bucket.starts_with('(')
}

async fn one(letter: &Letter, blobs: &dyn Blobs) -> Result<Came, BlobError> {
    let Some(Pointer { bucket, key }) = letter.points_to() else { return Ok(Came::Nothing) };
    if bucket != blobs.bucket() {
        return Ok(if is_named(blobs.bucket()) { Came::Gone } else { Came::NotLookedFor });
    }
    // Nothing of it has to be read.
    match blobs.get(&key, 0).await {
        Ok(_) | Err(BlobError::TooLarge { .. }) => return Ok(Came::Nothing),
        Err(BlobError::Missing(_)) => {}
        Err(error) => return Err(error),
    }
    let Some(body) = letter.large_body(&key) else { return Ok(Came::Gone) };
    blobs.put(&key, body.clone()).await?;
    Ok(Came::PutBack)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use sendoff_events::EXTENDED_SIZE_ATTRIBUTE;
    use sendoff_host::SystemClock;
    use sendoff_tests::memory::{BlobsState, Link, MemoryBlobs, Remote};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::archive::tests::letter;

    const EVENT: &str = include_str!("../../../events/samples/app.assigned.v1.json");

    fn blobs() -> MemoryBlobs {
        MemoryBlobs(Remote::new(Arc::new(Mutex::new(BlobsState::new())), Link::Direct, Arc::new(SystemClock)))
    }

    fn pointing(bucket: &str, key: &str, payload: Option<&str>) -> Letter {
        let location = serde_json::json!({ "s3BucketName": bucket, "s3Key": key });
        let body = serde_json::json!(["software.amazon.payloadoffloading.PayloadS3Pointer", location]).to_string();
        Letter { payload: payload.map(|text| Bytes::copy_from_slice(text.as_bytes())), ..letter(0, body.as_bytes()) }
    }

    async fn came(letter: &Letter, blobs: &MemoryBlobs) -> &'static str {
        match one(letter, blobs).await.unwrap() {
            Came::Nothing => "nothing",
            Came::PutBack => "put back",
            Came::Gone => "gone",
            Came::NotLookedFor => "not looked for",
        }
    }

    #[tokio::test]
    async fn a_body_that_is_gone_is_put_back_and_one_that_is_there_is_never_replaced() {
        let blobs = blobs();
        let letter = pointing(MemoryBlobs::BUCKET, "2026/11/26/a", Some(EVENT));
        assert_eq!(came(&letter, &blobs).await, "put back");
        let key = "2026/11/26/a".parse().unwrap();
        assert_eq!(blobs.get(&key, u64::MAX).await.unwrap(), EVENT);
        blobs.put(&key, Bytes::from_static(b"another")).await.unwrap();
        assert_eq!(came(&letter, &blobs).await, "nothing");
        assert_eq!(blobs.get(&key, u64::MAX).await.unwrap(), "another");
        assert_eq!(came(&super::super::tests::letter(1, EVENT.as_bytes()), &blobs).await, "nothing");
    }

    #[tokio::test]
    async fn nothing_but_what_the_claim_check_can_have_pointed_to_is_put_anywhere() {
        let blobs = blobs();
        let put_aside = |text: &str| format!("dead-letters/{}", hex::encode(Sha256::digest(text)));
        let ours = |key: &str, payload| pointing(MemoryBlobs::BUCKET, key, payload);
        let (too_large, mut of_another_size) = (" ".repeat(2 << 20), ours("a", Some(EVENT)));
        of_another_size.message.attributes.insert(EXTENDED_SIZE_ATTRIBUTE.into(), "7".into());
        for letter in [
            ours("a", None),
            ours("a", Some("no event")),
            ours("a", Some(&too_large)),
            ours(&put_aside("something"), Some(EVENT)),
            pointing("elsewhere", "a", Some(EVENT)),
            of_another_size,
        ] {
            assert_eq!(came(&letter, &blobs).await, "gone", "{letter:?}");
        }
        for key in ["../x", "/etc/passwd", "a/../../x", ""] {
            assert_eq!(came(&ours(key, Some(EVENT)), &blobs).await, "nothing", "{key}");
        }
        assert_eq!(came(&ours(&put_aside("a note"), Some("a note")), &blobs).await, "put back");
    }

    #[test]
    fn a_claim_check_of_another_deployment_points_to_our_bucket_if_the_letter_has_the_body() {
        let moved = at_home(pointing("theirs", "2026/a", Some(EVENT)), "ours");
        assert_eq!(moved.points_to(), Some(Pointer { bucket: "ours".into(), key: "2026/a".parse().unwrap() }));
        for letter in [
            pointing("theirs", "2026/a", None),
            pointing("theirs", "2026/a", Some("no event")),
            pointing("theirs", "../a", Some(EVENT)),
            pointing("ours", "2026/a", Some(EVENT)),
            letter(0, EVENT.as_bytes()),
        ] {
            assert_eq!(at_home(letter.clone(), "ours"), letter);
        }
        let of_nowhere = pointing("theirs", "2026/a", Some(EVENT));
        assert_eq!(at_home(of_nowhere.clone(), "(SENDOFF_BUCKET is not set)"), of_nowhere);
    }
}
