//! Claim-check payloads as S3 objects.

use std::sync::Arc;

use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream};
use bytes::{Bytes, BytesMut};
use sendoff_events::{BlobError, BlobKey, Blobs, BoxFuture};

use crate::{Aws, CallError, Store};

/// Blobs as objects of one bucket, each stored by one `PutObject`: S3 shows an object whole or not at all
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>).
///
/// The role needs `s3:ListBucket` besides `s3:GetObject`: without it S3 says "access denied" of an object that isn't there,
/// and a missing blob looks like an unavailable one.
pub(crate) struct S3Blobs {
    aws: Aws,
    bucket: String,
}

impl Store {
    /// The claim-check payloads.
    #[must_use]
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(S3Blobs { aws: self.aws.clone(), bucket: self.resources.bucket.clone() })
    }
}

impl S3Blobs {
    fn object(&self, key: &BlobKey) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// The object's bytes. One that is too large is refused by its announced length, before any of it is read.
    async fn read(&self, found: GetObjectOutput, key: &BlobKey, limit: u64) -> Result<Bytes, BlobError> {
        let too_large = |bytes| Err(BlobError::TooLarge { key: key.clone(), bytes, limit });
        let announced = found.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        if announced > limit {
            return too_large(announced);
        }
        let mut body = found.body;
        let mut bytes = BytesMut::new();
        let broken = |error| BlobError::Unavailable(format!("{} broke off: {error}", self.object(key)));
        while let Some(chunk) = body.try_next().await.map_err(broken)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return too_large(bytes.len() as u64);
            }
        }
        Ok(bytes.freeze())
    }
}

impl Blobs for S3Blobs {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    fn put<'a>(&'a self, key: &'a BlobKey, bytes: Bytes) -> BoxFuture<'a, Result<(), BlobError>> {
        Box::pin(async move {
            let put = self.aws.s3().put_object().bucket(&self.bucket).key(key.as_str());
            let stored = put.body(ByteStream::from(bytes)).send().await;
            stored.map(drop).map_err(|error| unavailable(CallError::of("s3:PutObject", self.object(key), &error)))
        })
    }

    fn get<'a>(&'a self, key: &'a BlobKey, limit: u64) -> BoxFuture<'a, Result<Bytes, BlobError>> {
        Box::pin(async move {
            match self.aws.s3().get_object().bucket(&self.bucket).key(key.as_str()).send().await {
                Ok(found) => self.read(found, key, limit).await,
                Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                    Err(BlobError::Missing(key.clone()))
                }
                Err(error) => Err(unavailable(CallError::of("s3:GetObject", self.object(key), &error))),
            }
        })
    }
}

fn unavailable(error: CallError) -> BlobError {
    BlobError::Unavailable(error.to_string())
}
