//! The secrets that callbacks are signed with.

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use sendoff_events::BoxFuture;

use super::answer::Refusal;

/// What is to be had: the secrets, or why they can't be.
type Fetched = Result<Vec<SecretString>, String>;

/// Secrets that are fetched when they are needed, several while one replaces another. Cloning it is cheap.
#[derive(Clone)]
pub struct Secrets(Arc<dyn Fn() -> BoxFuture<'static, Fetched> + Send + Sync>);

impl Secrets {
    /// Secrets that are at hand and stay the same.
    #[must_use]
    pub fn fixed(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let secrets: Vec<_> = secrets.into_iter().collect();
        Self::lazy(move || {
            let secrets = secrets.clone();
            Box::pin(async move { Ok(secrets) })
        })
    }

    /// Secrets that `fetch` gives, at each request: it should remember them for a while. Its error says what went wrong, and
    /// holds no secret.
    #[must_use]
    pub fn lazy(fetch: impl Fn() -> BoxFuture<'static, Fetched> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fetch))
    }

    /// The secrets. An empty one counts for none: anybody can sign with it.
    pub(super) async fn get(&self) -> Result<Vec<SecretString>, Refusal> {
        let mut secrets = (self.0)().await.map_err(|why| Refusal::Unavailable(format!("the secret: {why}")))?;
        secrets.retain(|secret| !secret.expose_secret().trim().is_empty());
        if secrets.is_empty() { Err(Refusal::Unavailable("the secret is empty".into())) } else { Ok(secrets) }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
