//! The function `callbacks`: what providers tell of messages, and what recipients answer, behind API Gateway and without an
//! authorizer: each request carries a proof of its own.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Response, StatusCode},
};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_consumers::{
    callbacks::{CallbackState, MetaCallbacks, Secrets, SesCallbacks, TwilioCallbacks, router},
    channels::http::{HttpClient, HttpSettings},
};
use serde_json::value::RawValue;

use super::{
    http_answer::{ask, http_answer},
    parts::Parts,
};
use crate::{
    Secret, Store,
    desk::links_of,
    lambda::{Function, FunctionError, Invocation, run},
    renewed::{Renewed, fetch},
    settings::{Need, Settings},
};

/// The whole function.
///
/// # Errors
///
/// As [`run`].
pub fn main() -> Result<(), lambda_runtime::Error> {
    run(make)
}

/// How old a proof's secret may be when a request failed it. Forged requests must not become a call each.
const IN_TROUBLE: Duration = Duration::from_secs(30);

struct Callbacks {
    parts: Parts,
    endpoint: Endpoint,
}

/// What answers requests.
struct Endpoint {
    store: Store,
    /// The router, with the secret of links.
    router: Renewed<Router>,
    /// What providers prove themselves with.
    proofs: Vec<Secret>,
}

async fn make() -> Result<Callbacks, FunctionError> {
    let parts = Parts::of(&[Need::Table, Need::InboxTable, Need::Links, Need::Run])?;
    Ok(Callbacks { endpoint: Endpoint::of(&parts.settings, &parts.store)?, parts })
}

impl Endpoint {
    fn of(settings: &Settings, store: &Store) -> Result<Self, FunctionError> {
        let (base, links) = settings.links().ok_or_else(|| FunctionError::start("there is no public address"))?;
        let public_url =
            base.parse().map_err(|error| FunctionError::start(format_args!("SENDOFF_PUBLIC_URL: {error}")))?;
        let token = settings.twilio_token().ok();
        let pair = settings.meta_callbacks();
        let proofs = token.iter().chain(pair.iter().flat_map(|(app, verify)| [app, verify])).cloned().collect();
        let twilio = token.map(|token| TwilioCallbacks { auth_tokens: secrets(token, store), public_url });
        let meta = pair.map(|(app, verify)| MetaCallbacks {
            app_secret: secrets(app, store),
            verify_token: secrets(verify, store),
            phone_number_id: settings.meta_phone_number_id.clone(),
        });
        let http = Arc::new(HttpClient::new(&HttpSettings::default()).map_err(FunctionError::start)?);
        let (topics, keep, kept) = (settings.ses_topics.clone(), settings.inbox_keep, store.clone());
        let make = move |text: &str| {
            let links = links_of(&base, text).map_err(|error| error.to_string())?;
            let ses = topics.as_ref().map(|topics| SesCallbacks::new(topics, http.clone()));
            Ok(router(CallbackState {
                records: kept.records(),
                inbox: kept.inbox(),
                deliveries: kept.deliveries(keep),
                workflows: kept.workflows(),
                clock: kept.clock.clone(),
                rng: kept.rng.clone(),
                links: Some(links),
                twilio: twilio.clone(),
                meta: meta.clone(),
                ses: ses.transpose().map_err(|error| error.to_string())?,
            }))
        };
        Ok(Self { router: Renewed::new(fetch(links, store), Box::new(make)), proofs, store: store.clone() })
    }

    /// The answer to a request. One that failed its proof has done nothing, so where the secret has changed since it was read
    /// the request is asked again: nobody else would tell it a second time.
    async fn answer(&self, event: &RawValue) -> Result<Response<Body>, FunctionError> {
        let router = self.router.get().await.map_err(FunctionError::Backend)?;
        let response = ask(&router, event).await?;
        match response.status() {
            StatusCode::FORBIDDEN if self.proofs_have_changed().await => ask(&router, event).await,
            // A link may be signed with a secret that was added since.
            StatusCode::NOT_FOUND => match self.router.instead_of(&router).await {
                Some(newer) => ask(&newer, event).await,
                None => Ok(response),
            },
            _ => Ok(response),
        }
    }

    /// Whether one of the secrets is another one, read again. It is the one that is used from now on.
    async fn proofs_have_changed(&self) -> bool {
        let (aws, clock) = (self.store.aws(), &*self.store.clock);
        let mut have_changed = false;
        for secret in &self.proofs {
            let (Ok(used), Ok(now)) =
                (secret.get(aws, clock).await, secret.no_older_than(IN_TROUBLE, aws, clock).await)
            else {
                continue;
            };
            have_changed |= used.expose_secret() != now.expose_secret();
        }
        have_changed
    }
}

/// The secrets, read when they are needed. Where one replaces another both stand there, with white space between them.
fn secrets(secret: Secret, store: &Store) -> Secrets {
    let (aws, clock) = (store.aws().clone(), store.clock.clone());
    Secrets::lazy(move || {
        let (secret, aws, clock) = (secret.clone(), aws.clone(), clock.clone());
        Box::pin(async move {
            let text = secret.get(&aws, &*clock).await.map_err(|error| error.to_string())?;
            Ok(text.expose_secret().split_whitespace().map(SecretString::from).collect())
        })
    })
}

impl Function for Callbacks {
    async fn handle(&self, event: &RawValue, _: &Invocation) -> Result<Box<RawValue>, FunctionError> {
        http_answer(self.endpoint.answer(event).await?).await
    }

    fn flush(&self) {
        self.parts.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Mutex};

    use sendoff_events::{BoxFuture, Clock, Timestamp};
    use sendoff_host::SystemRng;
    use serde_json::json;

    use super::*;
    use crate::{Aws, Environment};

    /// A clock that is set by hand.
    struct SetClock(Mutex<Timestamp>);

    impl SetClock {
        fn pass(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    struct Rig {
        folder: tempfile::TempDir,
        clock: Arc<SetClock>,
        endpoint: Endpoint,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
            write(folder.path(), "app", "app-secret");
            write(folder.path(), "verify", "the-old-word");
            write(folder.path(), "links", "0123456789abcdef0123456789abcdef");
            let variables = [
                ("SENDOFF_PUBLIC_URL", "https://n.example.org".to_owned()),
                ("SENDOFF_LINK_SECRET_FILE", path("links")),
                ("META_APP_SECRET_FILE", path("app")),
                ("META_VERIFY_TOKEN_FILE", path("verify")),
            ];
            let settings = Settings::read(variables.map(|(name, value)| (name.to_owned(), value)), &[]).unwrap();
            let aws = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
            let environment = Environment::of(aws.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let aws = Aws::from_environment(environment).unwrap();
            let clock = Arc::new(SetClock(Mutex::new(Timestamp::UNIX_EPOCH)));
            let store = Store::new(aws, settings.resources(), clock.clone(), Arc::new(SystemRng::new()));
            Self { endpoint: Endpoint::of(&settings, &store).unwrap(), folder, clock }
        }

        /// What Meta is answered that shows this word.
        async fn shown(&self, word: &str) -> u16 {
            let query = format!("hub.mode=subscribe&hub.challenge=1&hub.verify_token={word}");
            let path = "/callbacks/meta";
            let event = json!({
                "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
                "headers": { "host": "n.example.org" }, "isBase64Encoded": false,
                "requestContext": {
                    "accountId": "0", "apiId": "api", "domainName": "n.example.org", "domainPrefix": "n",
                    "http": {
                        "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                        "userAgent": "test",
                    },
                    "requestId": "id", "routeKey": "$default", "stage": "$default",
                    "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_773_342_238_000_u64,
                },
            });
            let event = RawValue::from_string(event.to_string()).unwrap();
            self.endpoint.answer(&event).await.unwrap().status().as_u16()
        }
    }

    fn write(folder: &Path, name: &str, text: &str) {
        fs::write(folder.join(name), text).unwrap();
    }

    #[tokio::test]
    async fn a_proof_that_fails_is_checked_again_with_a_secret_that_was_changed_in_the_meantime() {
        let rig = Rig::new();
        assert_eq!((rig.shown("the-old-word").await, rig.shown("the-new-word").await), (200, 403));
        write(rig.folder.path(), "verify", "the-new-word");
        assert_eq!(rig.shown("the-new-word").await, 403, "it was read a moment ago");
        rig.clock.pass(IN_TROUBLE);
        assert_eq!(rig.shown("the-new-word").await, 200);
        assert_eq!(rig.shown("the-old-word").await, 403);
    }

    #[tokio::test]
    async fn a_secret_that_works_is_not_read_again_before_its_time() {
        let rig = Rig::new();
        assert_eq!(rig.shown("the-old-word").await, 200);
        write(rig.folder.path(), "verify", "the-new-word");
        rig.clock.pass(IN_TROUBLE);
        assert_eq!(rig.shown("the-old-word").await, 200);
    }
}
