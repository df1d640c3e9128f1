//! Google's token endpoint (<https://developers.google.com/identity/protocols/oauth2/service-account>).

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::json;

use super::{ACCOUNT, FcmStub, KEY_ID, PUBLIC_KEY};
use crate::servers::{Answer, Asked};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// How long an access token is good.
const LIFE: Duration = Duration::from_secs(3599);
/// How far clocks may differ, in seconds.
const SKEW: i64 = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    scope: String,
    #[serde(rename = "aud")]
    _checked_by_the_library: String,
    iat: i64,
    exp: i64,
}

impl FcmStub {
    pub(super) fn grant(&self, asked: &Asked) -> Answer {
        match self.check(asked) {
            Err((error, description)) => {
                Answer::json(400, &json!({ "error": error, "error_description": description }))
            }
            Ok(()) => {
                let until = self.clock.now() + LIFE;
                let mut state = self.state();
                state.grants += 1;
                let token = format!("ya29.{}", state.grants);
                state.granted.insert(token.clone(), until);
                let granted = json!({ "access_token": token, "expires_in": LIFE.as_secs(), "token_type": "Bearer" });
                Answer::json(200, &granted)
            }
        }
    }

    /// Whether a token may be granted; the error and its description if not.
    fn check(&self, asked: &Asked) -> Result<(), (&'static str, String)> {
        let refuse = |error, why: &str| Err((error, why.to_owned()));
        if asked.header("content-type") != Some("application/x-www-form-urlencoded") {
            return refuse("invalid_request", "Bad content type.");
        }
        let fields = asked.form_fields();
        let [(first, grant), (second, assertion)] = &fields[..] else {
            return refuse("invalid_request", "Exactly grant_type and assertion are wanted.");
        };
        if (&**first, &**second) != ("grant_type", "assertion") {
            return refuse("invalid_request", "Exactly grant_type and assertion are wanted.");
        }
        if grant != GRANT {
            return refuse("unsupported_grant_type", "Invalid grant_type.");
        }
        let bad = |error: jsonwebtoken::errors::Error| ("invalid_grant", format!("Invalid JWT: {error}"));
        if decode_header(assertion).map_err(bad)?.kid.as_deref() != Some(KEY_ID) {
            return refuse("invalid_grant", "Invalid JWT: no such key.");
        }
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[format!("http://{}/token", asked.header("host").unwrap_or_default())]);
        rules.set_issuer(&[ACCOUNT]);
        rules.set_required_spec_claims(&["aud", "iss", "exp"]);
        // By our own clock, below.
        rules.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).map_err(bad)?;
        let Claims { iss, scope, iat, exp, .. } = decode(assertion, &key, &rules).map_err(bad)?.claims;
        let now = self.clock.now().as_second();
        if iss != ACCOUNT || scope != SCOPE {
            return refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.");
        }
        if iat > now + SKEW || exp <= now || exp - iat > 3600 {
            return refuse("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).");
        }
        Ok(())
    }
}
