//! The service account that speaks for a Firebase project: the JSON file that the console gives out.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::Timestamp;
use serde_json::{Value, json};

use crate::channels::http::base_url;

/// What a token is asked for: to send messages, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// How long an assertion is good, in seconds: the most that Google takes.
const ASSERTION: i64 = 3600;
/// How far back an assertion is dated, in seconds, for clocks that disagree.
const SKEW: i64 = 30;

/// Who sends, and how that is proven.
pub struct ServiceAccount {
    pub(super) project: String,
    pub(super) token_uri: String,
    email: String,
    key_id: String,
    key: RsaKeyPair,
}

/// The text is no service account. Nothing of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the FCM service account can't be used: {0}; take the JSON file from the Firebase console as it is")]
pub struct ServiceAccountError(String);

impl ServiceAccount {
    /// Reads the JSON file of a service account.
    ///
    /// # Errors
    ///
    /// [`ServiceAccountError`] names the field and the rule that it breaks.
    pub fn parse(text: &SecretString) -> Result<Self, ServiceAccountError> {
        let error = |why: &str| ServiceAccountError(why.to_owned());
        let fields: Value = serde_json::from_str(text.expose_secret())
            .map_err(|e| ServiceAccountError(format!("it is not JSON (line {}, column {})", e.line(), e.column())))?;
        let field = |name: &str| match fields.get(name).and_then(Value::as_str) {
            None | Some("") => Err(ServiceAccountError(format!("it has no `{name}`"))),
            Some(value) => Ok(value.to_owned()),
        };
        if field("type")? != "service_account" {
            return Err(error("its `type` is not `service_account`"));
        }
        let project = field("project_id")?;
        if !project.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b)) {
            return Err(error("its `project_id` holds more than small letters, digits and `-.:`"));
        }
        let token_uri = base_url(&field("token_uri")?)
            .ok_or_else(|| error("its `token_uri` is not an https address (nor plain http on this machine)"))?
            .to_owned();
        let pem = SecretString::from(field("private_key")?);
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .map_err(|_| error("its `private_key` is not PEM with `BEGIN PRIVATE KEY` (PKCS#8)"))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|rejected| {
            ServiceAccountError(format!("its `private_key` is no RSA key that fits: {rejected}"))
        })?;
        Ok(Self { project, token_uri, email: field("client_email")?, key_id: field("private_key_id")?, key })
    }

    /// The assertion that a token is given for (RFC 7523): a JWT signed with RS256.
    pub(super) fn assertion(&self, now: Timestamp) -> Result<SecretString, String> {
        let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let issued = now.as_second() - SKEW;
        let header = encode(json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id }));
        let claims = encode(json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued + ASSERTION,
        }));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the service account's key can't sign".to_owned())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("project", &self.project).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{self, UnparsedPublicKey};

    use super::*;

    const KEY: &str = include_str!("testdata/account.key.pem");

    fn account() -> Value {
        json!({
            "type": "service_account",
            "project_id": "demo-1",
            "private_key_id": "k1",
            "private_key": KEY,
            "client_email": "sender@demo-1.iam.gserviceaccount.com",
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
        })
    }

    fn parse(value: &Value) -> Result<ServiceAccount, ServiceAccountError> {
        ServiceAccount::parse(&SecretString::from(value.to_string()))
    }

    #[test]
    fn the_assertion_says_who_asks_whom_for_what_and_is_signed() {
        let account = parse(&account()).unwrap();
        let now = Timestamp::from_second(1_764_000_000).unwrap();
        let assertion = account.assertion(now).unwrap();
        let (signed, mac) = assertion.expose_secret().rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, account.key.public());
        public.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(mac).unwrap()).unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(
            parts[1],
            json!({
                "iss": "sender@demo-1.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/firebase.messaging",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_763_999_970,
                "exp": 1_764_003_570,
            })
        );
    }

    #[test]
    fn each_mistake_is_named_and_nothing_of_the_account_is_shown() {
        let of = |name: &str, value: Value| {
            let mut account = account();
            account[name] = value;
            account
        };
        let pkcs1 = KEY.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        for (account, why) in [
            (json!([]), "it has no `type`"),
            (of("type", json!("authorized_user")), "its `type` is not `service_account`"),
            (of("project_id", json!("")), "it has no `project_id`"),
            (of("project_id", json!("demo/../x")), "its `project_id` holds"),
            (of("private_key_id", json!(7)), "it has no `private_key_id`"),
            (of("client_email", Value::Null), "it has no `client_email`"),
            (of("token_uri", json!("http://oauth2.googleapis.com/token")), "its `token_uri` is not an https"),
            (of("token_uri", json!("nonsense")), "its `token_uri` is not an https"),
            (of("private_key", json!("secret")), "its `private_key` is not PEM"),
            (of("private_key", json!(pkcs1)), "its `private_key` is not PEM"),
            (of("private_key", json!(KEY.replacen("MII", "MIJ", 1))), "its `private_key` is no RSA key"),
        ] {
            let error = parse(&account).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the FCM service account can't be used: {why}")), "{error}");
        }
        let error = ServiceAccount::parse(&SecretString::from("{\"private_key\": secret}")).unwrap_err().to_string();
        assert!(error.contains("it is not JSON (line 1, column 17)") && !error.contains("secret"), "{error}");
    }
}
