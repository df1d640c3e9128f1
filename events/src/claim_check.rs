//! The claim check: a body over the topic's limit is stored as a blob, and a pointer travels in its place, in the wire
//! format of AWS's extended client libraries
//! (<https://github.com/awslabs/payload-offloading-java-common-lib-for-aws>).

use serde::{Deserialize, Serialize};

use crate::BlobKey;

/// The message attribute that carries the original body's size in bytes.
pub const EXTENDED_SIZE_ATTRIBUTE: &str = "ExtendedPayloadSize";

const POINTER_CLASS: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";

/// Where the real body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The bucket (embedded: the name of the blob folder).
    pub bucket: String,
    /// The blob's key in it.
    pub key: BlobKey,
}

/// The body looks like a pointer, but isn't one that may be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim-check pointer is not valid: {why}")]
pub struct PointerError {
    /// What is wrong with it.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    s3_bucket_name: String,
    s3_key: String,
}

impl Pointer {
    /// The pointer as a message body.
    #[must_use]
    pub fn to_body(&self) -> String {
        let location = Location { s3_bucket_name: self.bucket.clone(), s3_key: self.key.as_str().to_owned() };
        serde_json::json!([POINTER_CLASS, location]).to_string()
    }

    /// The pointer in `body`, or `None` when the body isn't a pointer at all.
    ///
    /// # Errors
    ///
    /// [`PointerError`] when it is one, but malformed, or names a bucket that isn't in `allowed`: anyone who can put a
    /// message into a queue could otherwise make a consumer fetch whatever its role may read.
    pub fn parse(body: &[u8], allowed: &[&str]) -> Result<Option<Self>, PointerError> {
        // Cheap first: envelopes are objects, pointers are arrays.
        if body.trim_ascii_start().first() != Some(&b'[') || body.len() > 4096 {
            return Ok(None);
        }
        let Ok((class, location)) = serde_json::from_slice::<(String, serde_json::Value)>(body) else {
            return Ok(None);
        };
        if class != POINTER_CLASS {
            return Ok(None);
        }
        let location: Location = serde_json::from_value(location).map_err(|e| PointerError { why: e.to_string() })?;
        if !allowed.contains(&location.s3_bucket_name.as_str()) {
            let bucket: String = location.s3_bucket_name.chars().take(80).collect();
            return Err(PointerError { why: format!("bucket `{bucket}` is not on the allow-list") });
        }
        let key = location.s3_key.parse().map_err(|why| PointerError { why })?;
        Ok(Some(Self { bucket: location.s3_bucket_name, key }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[&str] = &["blobs", "old-blobs"];

    fn body(bucket: &str, key: &str) -> String {
        serde_json::json!([POINTER_CLASS, { "s3BucketName": bucket, "s3Key": key }]).to_string()
    }

    #[test]
    fn a_pointer_is_written_as_the_extended_clients_write_it_and_read_back() {
        let pointer = Pointer { bucket: "blobs".into(), key: "2026/11/24/event".parse().unwrap() };
        let body = pointer.to_body();
        let expected = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"blobs","s3Key":"2026/11/24/event"}]"#;
        assert_eq!(body, expected);
        assert_eq!(Pointer::parse(body.as_bytes(), ALLOWED), Ok(Some(pointer)));
    }

    #[test]
    fn a_bucket_that_is_not_on_the_allow_list_is_refused_by_name() {
        let error = Pointer::parse(body("someone-elses", "key").as_bytes(), ALLOWED).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the claim-check pointer is not valid: bucket `someone-elses` is not on the allow-list"
        );
        for bucket in ["", "Blobs", "blobs ", "blobs/../other"] {
            assert!(Pointer::parse(body(bucket, "key").as_bytes(), ALLOWED).is_err(), "{bucket:?}");
        }
        assert!(Pointer::parse(body("blobs", "key").as_bytes(), &[]).is_err(), "an empty list allows nothing");
    }

    #[test]
    fn a_hostile_key_is_refused() {
        for key in ["../x", "/etc/passwd", "a/../../x", "", ".env", "a\0", "a//b"] {
            assert!(Pointer::parse(body("blobs", key).as_bytes(), ALLOWED).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_malformed_pointer_is_an_error_and_never_taken_for_an_event() {
        for location in
            ["null", "{}", "[]", "\"blobs\"", r#"{"s3BucketName":"blobs"}"#, r#"{"s3BucketName":1,"s3Key":"k"}"#]
        {
            let body = format!("[\"{POINTER_CLASS}\",{location}]");
            assert!(Pointer::parse(body.as_bytes(), ALLOWED).is_err(), "{location}");
        }
    }

    #[test]
    fn what_is_not_a_pointer_is_left_to_the_decoder() {
        let long = format!("[\"{POINTER_CLASS}\",{}]", " ".repeat(5000));
        for body in ["", "{}", "[]", "[1,2]", "[\"other\",{}]", "[\"other\"]", "Hello!", "[", &long] {
            assert_eq!(Pointer::parse(body.as_bytes(), ALLOWED), Ok(None), "{body}");
        }
        assert_eq!(Pointer::parse(b"[\xff]", ALLOWED), Ok(None));
    }
}
