//! The function `authorizer`.

use std::time::Duration;

use sendoff_events::Clock;
use sendoff_host::SystemClock;
use sendoff_producers::api::{SharedSecret, SigningKey, mint};
use sendoff_tests::conformance::WarpClock;
use serde_json::{Value, json};

use crate::{
    endpoint::Endpoint,
    given::{function, request},
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An endpoint that knows the keys.
pub(crate) async fn endpoint_with_keys() -> Endpoint {
    let keys = json!({ "keys": [
        { "id": "one", "algorithm": "HS256", "issuer": "https://id.example.org", "audience": "sendoff", "secret": SECRET },
    ] });
    Endpoint::start(move |call| {
        (call.name == "GetSecretValue").then(|| (200, json!({ "Name": "keys", "SecretString": keys.to_string() })))
    })
    .await
}

pub(crate) fn token(kid: &str, secret: &str) -> String {
    minted(kid, secret, &SystemClock)
}

/// A token that was good yesterday.
pub(crate) fn expired() -> String {
    minted("one", SECRET, &WarpClock::from(SystemClock.now() - Duration::from_secs(24 * 3600)))
}

fn minted(kid: &str, secret: &str, clock: &dyn Clock) -> String {
    let secret = SharedSecret::new(secret.as_bytes()).unwrap();
    let key = SigningKey::hs256(kid, "https://id.example.org", "sendoff", &secret);
    let (tenant, subject) = ("acme".parse().unwrap(), "grace".parse().unwrap());
    mint(&key, &tenant, &subject, Duration::from_secs(600), clock).unwrap()
}

fn question(authorization: Option<&str>) -> Value {
    let mut event = request("GET", "/v1/users", authorization);
    event["type"] = "REQUEST".into();
    event["routeArn"] = "arn:aws:execute-api:us-east-1:000000000000:api/$default/GET/v1/users".into();
    event["identitySource"] = json!([authorization, "$default"]);
    event
}

#[tokio::test]
async fn it_lets_in_whom_the_token_speaks_for_and_nobody_else() {
    let endpoint = endpoint_with_keys().await;
    let mut authorizer = function("authorizer", &endpoint).await;
    let good = format!("Bearer {}", token("one", SECRET));
    let yes = json!({ "isAuthorized": true, "context": { "tenant": "acme", "subject": "grace", "scopes": "" } });
    assert_eq!(authorizer.invoke(&question(Some(&good))).await, Ok(yes), "{}", authorizer.output());

    let forged = format!("Bearer {}", token("one", "another secret of more than 32 bytes"));
    let unknown = format!("Bearer {}", token("two", SECRET));
    let twice = format!("{good},{good}");
    for header in [Some(forged.as_str()), Some(&unknown), Some(&twice), Some("Basic Z3JhY2U6eA=="), Some(""), None] {
        let answer = authorizer.invoke(&question(header)).await;
        assert_eq!(answer, Ok(json!({ "isAuthorized": false })), "{header:?}");
    }
    let old = format!("Bearer {}", expired());
    let answer = authorizer.invoke(&question(Some(&old))).await;
    assert_eq!(answer, Ok(json!({ "isAuthorized": true })), "the API says that it has expired");
    assert_eq!(endpoint.names(), ["GetSecretValue"], "the keys are read once");
    let output = authorizer.output_with("there is no bearer token").await.unwrap();
    for token in [good, forged, unknown, old] {
        let text = token.rsplit(' ').next().unwrap();
        assert!(!text.split('.').any(|part| output.contains(part)), "a token was logged: {output}");
    }
}

#[tokio::test]
async fn without_keys_it_fails_and_says_why() {
    let endpoint = Endpoint::start(|_| None).await;
    let mut authorizer = function("authorizer", &endpoint).await;
    let good = format!("Bearer {}", token("one", SECRET));
    let error = authorizer.invoke(&question(Some(&good))).await.unwrap_err().to_string();
    assert!(error.contains("secretsmanager:GetSecretValue") && error.contains("secret:keys"), "{error}");
}
