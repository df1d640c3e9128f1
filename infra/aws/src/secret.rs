//! Secrets: where one stands, and its value for as long as it may be kept.

use std::{fmt, fs, path::PathBuf, pin::pin, str::FromStr, sync::Arc, time::Duration};

use futures::future::{Either, select};
use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::{Aws, CallError};

/// How long a value is kept before it is read again.
const KEEP: Duration = Duration::from_secs(5 * 60);

/// How long it may take to be read again while there is an old value.
const PATIENCE: Duration = Duration::from_secs(2);

/// A secret that is read when it is first needed, and again after five minutes. If it can't be read again, the old value
/// holds. Clones share what was read. It never prints its value.
#[derive(Clone)]
pub struct Secret {
    place: Arc<Place>,
    /// Held while it is read, so that many callers read once.
    kept: Arc<Mutex<Option<(SecretString, Timestamp)>>>,
}

enum Place {
    Here(&'static str, SecretString),
    File(PathBuf),
    Manager(String),
}

/// A secret can't be had. It doesn't repeat the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager didn't give it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The file can't be read.
    #[error("{0}")]
    File(String),
    /// It is not what it should be.
    #[error("what {place} holds can't be used: {why}")]
    Invalid {
        /// Where it stands.
        place: String,
        /// What is wrong.
        why: String,
    },
}

impl Secret {
    /// The secret that is given in one of these ways, if it is. `name` is what a person calls it.
    pub(crate) fn of(
        name: &'static str,
        value: Option<SecretString>,
        file: Option<PathBuf>,
        arn: Option<String>,
    ) -> Option<Self> {
        let here = value.map(|value| Place::Here(name, value));
        let place = here.or_else(|| file.map(Place::File)).or_else(|| arn.map(Place::Manager))?;
        Some(Self { place: Arc::new(place), kept: Arc::default() })
    }

    /// The value. White space around it is not part of it.
    ///
    /// # Errors
    ///
    /// [`SecretError`] when it can't be read and wasn't read before.
    pub async fn get(&self, aws: &Aws, clock: &dyn Clock) -> Result<SecretString, SecretError> {
        self.no_older_than(KEEP, aws, clock).await
    }

    /// The value, read again if that was longer ago: for when the one that is kept doesn't work any more.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn no_older_than(
        &self,
        age: Duration,
        aws: &Aws,
        clock: &dyn Clock,
    ) -> Result<SecretString, SecretError> {
        if let Place::Here(_, value) = &*self.place {
            return Ok(value.clone());
        }
        let mut kept = self.kept.lock().await;
        let now = clock.now();
        if let Some((value, since)) = &*kept
            && now.duration_since(*since).unsigned_abs() < age
        {
            return Ok(value.clone());
        }
        let read = match &*kept {
            None => self.read(aws).await,
            // A store that hangs must not hold up what the old value would do.
            Some(_) => match select(pin!(self.read(aws)), clock.sleep(PATIENCE)).await {
                Either::Left((read, _)) => read,
                Either::Right(_) => Err(self.invalid("it can't be read in time")),
            },
        };
        let value = match (read, &*kept) {
            (Ok(value), _) => value,
            (Err(error), Some((old, _))) => {
                tracing::warn!(%error, "a secret can't be read again; the old value holds");
                old.clone()
            }
            (Err(error), None) => return Err(error),
        };
        *kept = Some((value.clone(), now));
        Ok(value)
    }

    /// The value, read as something. Its errors must not repeat the text.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and [`SecretError::Invalid`].
    pub async fn parse<T: FromStr<Err: fmt::Display>>(&self, aws: &Aws, clock: &dyn Clock) -> Result<T, SecretError> {
        let value = self.get(aws, clock).await?;
        value.expose_secret().parse().map_err(|e: T::Err| self.invalid(e))
    }

    /// The error of a value that can't be used.
    pub(crate) fn invalid(&self, why: impl fmt::Display) -> SecretError {
        SecretError::Invalid { place: self.to_string(), why: why.to_string() }
    }

    async fn read(&self, aws: &Aws) -> Result<SecretString, SecretError> {
        let text = match &*self.place {
            Place::Here(_, value) => return Ok(value.clone()),
            Place::File(path) => fs::read_to_string(path)
                .map_err(|e| SecretError::File(format!("{} can't be read: {e}", path.display())))?,
            Place::Manager(arn) => {
                let answer = aws.secrets().get_secret_value().secret_id(arn).send().await;
                let answer = answer.map_err(|e| CallError::of("secretsmanager:GetSecretValue", arn.as_str(), &e))?;
                answer.secret_string.ok_or_else(|| self.invalid("it is binary, not a text"))?
            }
        };
        match text.trim() {
            "" => Err(self.invalid("it is empty")),
            text => Ok(SecretString::from(text)),
        }
    }
}

/// Where it stands.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.place {
            Place::Here(name, _) => f.write_str(name),
            Place::File(path) => write!(f, "the file {}", path.display()),
            Place::Manager(arn) => write!(f, "the secret {arn}"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use aws_smithy_runtime_api::{
        client::{
            http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
            orchestrator::{HttpRequest, HttpResponse},
        },
        http::StatusCode,
    };
    use aws_smithy_types::body::SdkBody;
    use sendoff_events::BoxFuture;

    use super::*;
    use crate::Environment;

    /// A Secrets Manager that answers, until it says nothing any more.
    #[derive(Debug, Clone, Default)]
    struct Manager {
        hangs: Arc<AtomicBool>,
    }

    impl HttpConnector for Manager {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            if self.hangs.load(SeqCst) {
                return HttpConnectorFuture::new(std::future::pending());
            }
            let body = SdkBody::from(r#"{"ARN":"arn","Name":"smtp","SecretString":"hunter2"}"#);
            HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(200).unwrap(), body)))
        }
    }

    /// A clock on which every wait is over at once.
    struct Impatient;

    impl Clock for Impatient {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::task::yield_now())
        }
    }

    #[tokio::test]
    async fn a_store_that_hangs_does_not_hold_up_what_the_old_value_does() {
        let manager = Manager::default();
        let connector = manager.clone();
        let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
        let variables = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")];
        let environment = Environment::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let aws = Aws::with_http(environment, http).unwrap();
        let secret = Secret::of("SMTP_URL", None, None, Some("arn".into())).unwrap();
        assert_eq!(secret.get(&aws, &Impatient).await.unwrap().expose_secret(), "hunter2");
        manager.hangs.store(true, SeqCst);
        let again = secret.no_older_than(Duration::ZERO, &aws, &Impatient).await;
        assert_eq!(again.unwrap().expose_secret(), "hunter2");
    }
}
