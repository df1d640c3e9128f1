//! The port for payloads that are too large for a message.

use std::{fmt, str::FromStr};

use bytes::Bytes;

use crate::BoxFuture;

/// A blob's key: path segments of letters, digits, `-`, `_` and `.`, joined by `/`. Never a way out of the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let segment = |s: &str| {
            !s.is_empty()
                && !s.starts_with('.')
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if text.len() <= 512 && text.split('/').all(segment) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a blob key is made of letters, digits, '-', '_', '.' and '/', and no segment starts with '.'".into())
        }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A blob that couldn't be stored or fetched.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob (any more).
    #[error("blob `{0}` does not exist")]
    Missing(BlobKey),
    /// It is larger than the caller's limit.
    #[error("blob `{key}` has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Which blob.
        key: BlobKey,
        /// Its size.
        bytes: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// The store couldn't be reached; trying again later may help.
    #[error("the blob store can't be reached: {0}")]
    Unavailable(String),
}

/// Claim-check payloads. Blobs are written before the pointer is published and never deleted at ack: other subscribers
/// and replays still need them. A lifecycle rule of the store removes them.
pub trait Blobs: Send + Sync {
    /// The store's name, which stands as the bucket in pointers.
    fn bucket(&self) -> &str;

    /// Stores `bytes` under `key`, durably. Storing the same key again replaces it.
    fn put<'a>(&'a self, key: &'a BlobKey, bytes: Bytes) -> BoxFuture<'a, Result<(), BlobError>>;

    /// The bytes under `key`, if there are at most `limit`.
    fn get<'a>(&'a self, key: &'a BlobKey, limit: u64) -> BoxFuture<'a, Result<Bytes, BlobError>>;
}

#[cfg(test)]
mod tests {
    use super::BlobKey;

    #[test]
    fn a_path_of_plain_names_is_a_key() {
        for text in ["a", "2026/11/24/019ab4c2-5f7d-7a31-9c04-3f6b1d2e8a50", "a_b-c.json", "a..b", &"x".repeat(512)] {
            assert_eq!(text.parse::<BlobKey>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_key_is_no_way_out_of_the_store() {
        for text in [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a/..",
            ".",
            "..",
            "a/.hidden",
            "a//b",
            "a/",
            "a\\b",
            "C:x",
            "a b",
            "a%2e%2e",
            "a\0b",
            "a\n",
            "é",
            "~/x",
            &"x".repeat(513),
        ] {
            assert!(text.parse::<BlobKey>().is_err(), "{text:?}");
        }
    }
}
