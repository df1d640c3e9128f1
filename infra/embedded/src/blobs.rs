//! Claim-check payloads as files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use sendoff_events::{BlobError, BlobKey, Blobs, BoxFuture};

use crate::db::folder::{BLOBS, create_private, private_file, sync};

/// Blobs as files under one folder, each written to a temporary file, flushed to the disk and then renamed: there is never
/// half a blob.
#[derive(Debug)]
pub(crate) struct FolderBlobs {
    root: PathBuf,
}

impl FolderBlobs {
    /// The blobs of the data folder `folder`. The folder for them is created with the first blob.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { root: folder.join(BLOBS) }
    }

    /// Where the blob stands. `a` and `a/b` are both keys, so a segment that is a folder ends in `~`, which no key has. File
    /// systems take names of up to 255 bytes, so a longer segment is a folder, which ends in `~~`, and the rest.
    pub(crate) fn path(&self, key: &BlobKey) -> PathBuf {
        const LONGEST: usize = 200;
        let mut path = self.root.clone();
        let mut segments = key.as_str().split('/').peekable();
        while let Some(mut segment) = segments.next() {
            while let Some((start, rest)) = segment.split_at_checked(LONGEST).filter(|(_, rest)| !rest.is_empty()) {
                path.push(format!("{start}~~"));
                segment = rest;
            }
            path.push(if segments.peek().is_some() { format!("{segment}~") } else { segment.to_owned() });
        }
        path
    }
}

impl Blobs for FolderBlobs {
    fn bucket(&self) -> &str {
        BLOBS
    }

    fn put<'a>(&'a self, key: &'a BlobKey, bytes: Bytes) -> BoxFuture<'a, Result<(), BlobError>> {
        let (root, path) = (self.root.clone(), self.path(key));
        Box::pin(async move {
            let shown = path.display().to_string();
            blocking(move || write(&root, &path, &bytes)).await.map_err(|e| unavailable(&shown, &e))
        })
    }

    fn get<'a>(&'a self, key: &'a BlobKey, limit: u64) -> BoxFuture<'a, Result<Bytes, BlobError>> {
        let path = self.path(key);
        Box::pin(async move {
            let shown = path.display().to_string();
            let read = blocking(move || read(&path, limit)).await;
            match read {
                Ok(Found::Whole(bytes)) => Ok(bytes),
                Ok(Found::TooLarge(bytes)) => Err(BlobError::TooLarge { key: key.clone(), bytes, limit }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Err(BlobError::Missing(key.clone())),
                Err(e) => Err(unavailable(&shown, &e)),
            }
        })
    }
}

enum Found {
    Whole(Bytes),
    TooLarge(u64),
}

fn read(path: &Path, limit: u64) -> io::Result<Found> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Ok(Found::TooLarge(size));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Found::Whole(bytes.into()))
}

fn write(root: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(root);
    create_private(folder)?;
    // No segment of a key starts with a dot, so this is nobody's name.
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{}-{number}.tmp", std::process::id()));
    let written = private_file().create(true).truncate(true).open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The file is an entry of its folder, which may be a new entry of the one above, and so on. Whoever created them may not
    // have come to this yet.
    for above in folder.ancestors() {
        sync(above)?;
        if above == root {
            break;
        }
    }
    root.parent().map_or(Ok(()), sync)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn unavailable(path: &str, error: &io::Error) -> BlobError {
    BlobError::Unavailable(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> BlobKey {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_blob_is_read_back_replaced_and_never_larger_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path());
        let key = key("events/2026/a");
        assert!(matches!(blobs.get(&key, 10).await, Err(BlobError::Missing(missing)) if missing == key));
        blobs.put(&key, Bytes::from_static(b"first")).await.unwrap();
        blobs.put(&key, Bytes::from_static(b"second")).await.unwrap();
        assert_eq!(blobs.get(&key, 6).await.unwrap(), "second");
        assert!(matches!(blobs.get(&key, 5).await, Err(BlobError::TooLarge { bytes: 6, limit: 5, .. })));
    }

    #[tokio::test]
    async fn every_key_has_a_place_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path());
        let x = |count| "x".repeat(count);
        let keys = [x(512), x(511), x(200), x(201), format!("{}/x", x(200)), "a".into(), "a/b".into(), "a/b/c".into()];
        for text in &keys {
            blobs.put(&key(text), Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
        }
        for text in &keys {
            assert_eq!(blobs.get(&key(text), 512).await.unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_failed_write_leaves_no_file_behind_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path());
        fs::create_dir_all(folder.path().join("blobs/a")).unwrap();
        let error = blobs.put(&key("a"), Bytes::from_static(b"a")).await.unwrap_err();
        assert!(error.to_string().contains("blobs/a: "), "{error}");
        let names: Vec<_> =
            fs::read_dir(folder.path().join("blobs")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["a"]);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_may_read_a_blob() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path());
        blobs.put(&key("a/b"), Bytes::from_static(b"b")).await.unwrap();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("blobs"), mode("blobs/a~"), mode("blobs/a~/b")), (0o700, 0o700, 0o600));
    }
}
