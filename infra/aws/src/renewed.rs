//! Something that is made from a secret, and made anew when the secret was changed.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sendoff_events::BoxFuture;
use tokio::sync::Mutex;

use crate::{Secret, Store};

/// How old a secret may usually be.
const USUAL: Duration = Duration::from_secs(5 * 60);
/// How old it may be when what was made from it has failed. A wrong password for all must not become a call for each.
const IN_TROUBLE: Duration = Duration::from_secs(30);

/// Gives the secret, read no longer ago than this. The error shows nothing of it.
pub(crate) type Fetch = Box<dyn Fn(Duration) -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>;
/// Makes the thing from the secret. The error shows nothing of it.
pub(crate) type Make<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// Reads a secret, as often as it is asked to.
pub(crate) fn fetch(secret: Secret, store: &Store) -> Fetch {
    let (aws, clock) = (store.aws.clone(), store.clock.clone());
    Box::new(move |age| {
        let (secret, aws, clock) = (secret.clone(), aws.clone(), clock.clone());
        Box::pin(async move { secret.no_older_than(age, &aws, &*clock).await.map_err(|error| error.to_string()) })
    })
}

/// The thing, made at its first use.
pub(crate) struct Renewed<T> {
    fetch: Fetch,
    make: Make<T>,
    made: Mutex<Option<(SecretString, Arc<T>)>>,
}

impl<T> Renewed<T> {
    pub(crate) fn new(fetch: Fetch, make: Make<T>) -> Self {
        Self { fetch, make, made: Mutex::new(None) }
    }

    /// The thing as it is now. While a changed secret can't be had or used, the last one goes on being used.
    ///
    /// # Errors
    ///
    /// When there has never been one.
    pub(crate) async fn get(&self) -> Result<Arc<T>, String> {
        self.no_older_than(USUAL).await
    }

    /// The thing that has taken the place of `used`, if there is one: asked after `used` has failed in a way that a new
    /// secret may mend.
    pub(crate) async fn instead_of(&self, used: &Arc<T>) -> Option<Arc<T>> {
        self.no_older_than(IN_TROUBLE).await.ok().filter(|now| !Arc::ptr_eq(now, used))
    }

    async fn no_older_than(&self, age: Duration) -> Result<Arc<T>, String> {
        let mut made = self.made.lock().await;
        let renewed = match ((self.fetch)(age).await, &*made) {
            (Ok(text), Some((old, thing))) if text.expose_secret() == old.expose_secret() => {
                return Ok(Arc::clone(thing));
            }
            (Ok(text), _) => (self.make)(text.expose_secret()).map(|thing| (text, Arc::new(thing))),
            (Err(error), _) => Err(error),
        };
        match (renewed, &*made) {
            (Ok((text, thing)), _) => {
                *made = Some((text, Arc::clone(&thing)));
                Ok(thing)
            }
            (Err(error), Some((_, old))) => {
                tracing::error!(error, "a secret can't be used; what was made from it before goes on being used");
                Ok(Arc::clone(old))
            }
            (Err(error), None) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;

    struct Rig {
        secret: Arc<StdMutex<Option<&'static str>>>,
        renewed: Renewed<String>,
    }

    impl Rig {
        fn keeping(text: Option<&'static str>) -> Self {
            let secret = Arc::new(StdMutex::new(text));
            let kept = Arc::clone(&secret);
            let fetch: Fetch = Box::new(move |_| {
                let text = *kept.lock().unwrap();
                Box::pin(async move { text.map(SecretString::from).ok_or_else(|| "it is down".to_owned()) })
            });
            let make: Make<String> = Box::new(|text| match text {
                "bad" => Err("it can't be read".to_owned()),
                text => Ok(text.to_owned()),
            });
            Self { renewed: Renewed::new(fetch, make), secret }
        }

        fn keep(&self, text: Option<&'static str>) {
            *self.secret.lock().unwrap() = text;
        }
    }

    #[tokio::test]
    async fn it_is_made_once_and_anew_when_the_secret_was_changed() {
        let rig = Rig::keeping(Some("one"));
        let (first, second) = (rig.renewed.get().await.unwrap(), rig.renewed.get().await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(rig.renewed.instead_of(&first).await, None);
        rig.keep(Some("two"));
        assert_eq!(rig.renewed.instead_of(&first).await.as_deref().map(String::as_str), Some("two"));
        assert_eq!(*rig.renewed.get().await.unwrap(), "two");
    }

    #[tokio::test]
    async fn the_last_one_is_used_while_there_is_none_or_a_bad_one() {
        let rig = Rig::keeping(Some("one"));
        let one = rig.renewed.get().await.unwrap();
        for text in [None, Some("bad")] {
            rig.keep(text);
            assert!(Arc::ptr_eq(&rig.renewed.get().await.unwrap(), &one));
        }
    }

    #[tokio::test]
    async fn without_any_it_fails_and_the_next_use_asks_again() {
        let rig = Rig::keeping(None);
        assert_eq!(rig.renewed.get().await, Err("it is down".to_owned()));
        rig.keep(Some("one"));
        assert_eq!(*rig.renewed.get().await.unwrap(), "one");
    }
}
