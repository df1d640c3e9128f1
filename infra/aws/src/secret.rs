//! Secrets: where one stands, and its value for as long as it may be kept.

use std::{fmt, fs, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::{Aws, CallError};

/// How long a value is kept before it is read again.
const KEEP: Duration = Duration::from_secs(5 * 60);

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
        let value = match (self.read(aws).await, &*kept) {
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
