//! The secrets that calls are signed with: `whsec_` and base64, as Standard Webhooks have it
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;

use crate::api::{fields, problem::Problem};

const PREFIX: &str = "whsec_";

/// A new secret of 24 random bytes. They come from the operating system: the generator that ids are made with is no secret.
pub(super) fn generate() -> Result<String, Problem> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::internal(&"the system gives no random bytes"))?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// A secret that the caller brings along. What is wrong is told without the secret.
pub(super) fn secret(value: Value) -> Result<String, String> {
    let text = fields::string(value)?;
    let bytes = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
    match bytes.map(|bytes| bytes.len()) {
        Some(24..=64) => Ok(text),
        Some(length) => Err(format!("has {length} bytes, not 24 to 64")),
        None => Err("is not `whsec_` and base64".into()),
    }
}
