//! Blobs: claim-check payloads.

use bytes::Bytes;
use futures::future::join_all;
use sendoff_events::{BlobError, BlobKey, Pointer};

use super::Backend;

fn key(text: &str) -> BlobKey {
    text.parse().expect("a blob key")
}

pub(super) async fn bytes_come_back_as_they_were_stored(backend: &dyn Backend) {
    let blobs = backend.blobs();
    let all: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [("all", Bytes::from(all)), ("empty", Bytes::new()), ("large", vec![7; 2 << 20].into())] {
        blobs.put(&key(name), bytes.clone()).await.expect("stored");
        assert!(blobs.get(&key(name), 4 << 20).await.expect("there") == bytes, "`{name}` came back changed");
    }
}

pub(super) async fn a_missing_blob_is_told_by_its_key(backend: &dyn Backend) {
    match backend.blobs().get(&key("2026/nothing"), 10).await {
        Err(BlobError::Missing(missing)) => assert_eq!(missing, key("2026/nothing")),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_blob_over_the_callers_limit_is_refused_and_one_of_that_size_is_not(backend: &dyn Backend) {
    let blobs = backend.blobs();
    blobs.put(&key("a"), Bytes::from_static(b"12345")).await.expect("stored");
    assert_eq!(blobs.get(&key("a"), 5).await.expect("it fits"), "12345");
    match blobs.get(&key("a"), 4).await {
        Err(BlobError::TooLarge { key: told, bytes, limit }) => assert_eq!((told, bytes, limit), (key("a"), 5, 4)),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn storing_a_key_again_replaces_it(backend: &dyn Backend) {
    let blobs = backend.blobs();
    for text in ["a long first text", "second", ""] {
        blobs.put(&key("a/b"), Bytes::from(text)).await.expect("stored");
        assert_eq!(blobs.get(&key("a/b"), 100).await.expect("there"), text);
    }
}

pub(super) async fn every_valid_key_names_its_own_blob(backend: &dyn Backend) {
    let blobs = backend.blobs();
    let long = "x".repeat(512);
    let deep = ["d"; 256].join("/");
    // The beginning of another key, and the longest there may be: a store of files has to think of both.
    let keys = ["a", "a/b", "a/b/c", "a-b", "a_b", "a.b", "A", "0", "a..b", &long, &deep];
    for text in keys {
        blobs.put(&key(text), Bytes::from(text.to_owned())).await.unwrap_or_else(|e| panic!("`{text}`: {e}"));
    }
    for text in keys {
        assert_eq!(blobs.get(&key(text), 1000).await.expect("there"), text);
    }
}

pub(super) async fn a_reader_never_sees_half_a_blob(backend: &dyn Backend) {
    let blobs = backend.blobs();
    blobs.put(&key("a"), vec![0; 200_000].into()).await.expect("stored");
    let writers = (1..5_u8).map(|n| {
        let blobs = backend.blobs();
        tokio::spawn(async move {
            for _ in 0..5 {
                blobs.put(&key("a"), vec![n; 200_000].into()).await.expect("stored");
            }
        })
    });
    let readers = (0..4).map(|_| {
        let blobs = backend.blobs();
        tokio::spawn(async move {
            for _ in 0..10 {
                let bytes = blobs.get(&key("a"), 1 << 20).await.expect("there at any time");
                assert!(bytes.len() == 200_000 && bytes.iter().all(|b| *b == bytes[0]), "half a blob was read");
            }
        })
    });
    for task in join_all(writers.chain(readers)).await {
        task.expect("no panic");
    }
}

pub(super) async fn a_pointer_into_the_store_is_read_back_and_one_into_another_is_refused(backend: &dyn Backend) {
    let blobs = backend.blobs();
    let pointer = Pointer { bucket: blobs.bucket().to_owned(), key: key("2026/11/event") };
    assert_eq!(Pointer::parse(pointer.to_body().as_bytes(), &[blobs.bucket()]), Ok(Some(pointer.clone())));
    let stranger = Pointer { bucket: format!("{}-of-somebody-else", blobs.bucket()), ..pointer };
    assert!(Pointer::parse(stranger.to_body().as_bytes(), &[blobs.bucket()]).is_err());
}
