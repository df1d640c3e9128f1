//! Signatures as Standard Webhooks prescribes them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine as _, engine::general_purpose::STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::Timestamp;
use sha2::{Digest as _, Sha256};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// A secret that an endpoint shares with us.
#[derive(Clone)]
pub struct SigningSecret(hmac::Key);

/// The text is no secret. It isn't repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is `whsec_` and 24 to 64 bytes in base64: {0}")]
pub struct SigningSecretError(&'static str);

impl SigningSecret {
    /// Reads a secret.
    ///
    /// # Errors
    ///
    /// [`SigningSecretError`] names the rule that it breaks.
    pub fn parse(text: &SecretString) -> Result<Self, SigningSecretError> {
        let Some(encoded) = text.expose_secret().strip_prefix(PREFIX) else {
            return Err(SigningSecretError("this one begins otherwise"));
        };
        let Ok(bytes) = STANDARD.decode(encoded) else { return Err(SigningSecretError("this one isn't base64")) };
        match bytes.len() {
            0..24 => Err(SigningSecretError("this one is shorter")),
            24..=64 => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            _ => Err(SigningSecretError("this one is longer")),
        }
    }

    /// The signature of one call: `v1,…`.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{}.", at.as_second()).as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    }
}

/// The `webhook-id` of a call: the same for each attempt, so that the endpoint can tell a repetition. It is made of a hash, since
/// it may hold no `.`, and an idempotency key may.
pub(super) fn webhook_id(idempotency_key: &str) -> String {
    // 144 bits in 24 characters.
    format!("msg_{}", BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(idempotency_key)[..18]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Result<SigningSecret, SigningSecretError> {
        SigningSecret::parse(&SecretString::from(text))
    }

    #[test]
    fn the_vector_that_the_projects_own_libraries_are_tested_with_comes_out() {
        // https://github.com/standard-webhooks/standard-webhooks: libraries/javascript/src/webhook.test.ts, "sign function works".
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_of_any_other_form_is_refused_and_not_shown() {
        let of = |bytes| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        for (text, why) in [
            ("", "begins otherwise"),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins otherwise"),
            ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins otherwise"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", "isn't base64"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "isn't base64"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "isn't base64"),
            ("whsec_", "shorter"),
            (&of(23), "shorter"),
            (&of(65), "longer"),
        ] {
            let error = secret(text).err().unwrap().to_string();
            assert!(error.ends_with(why), "{text}: {error}");
            assert!(!error.contains("MfKQ"), "{error}");
        }
        assert!(secret(&of(24)).is_ok() && secret(&of(64)).is_ok());
    }

    #[test]
    fn the_id_of_a_call_is_the_same_for_each_attempt_and_has_no_dot_in_it() {
        let id = webhook_id("webhook/1/ada.lovelace");
        assert_eq!(id, webhook_id("webhook/1/ada.lovelace"));
        assert_ne!(id, webhook_id("webhook/2/ada.lovelace"));
        assert!(id.len() == 28 && !id.contains('.'), "{id}");
    }
}
