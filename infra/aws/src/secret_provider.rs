//! A provider whose secret (an address with a password, a token, an account) may be changed at any time.

use sendoff_consumers::{Doubt, Found, NotSent, SendOutcome, channels::Provider};
use sendoff_events::BoxFuture;

use crate::renewed::{Fetch, Make, Renewed};

/// What is made from the secret.
pub(crate) type Made<M> = Box<dyn Provider<M>>;

/// Sends through the provider that is made from the secret. The secret is read when the first message is sent, and again at
/// once when the provider can't be used: because it is down, or because it doesn't let us in.
pub(crate) struct SecretProvider<M> {
    name: &'static str,
    provider: Renewed<Made<M>>,
}

impl<M> SecretProvider<M> {
    /// The provider `name`, which `make` makes from the secret.
    pub(crate) fn new(name: &'static str, fetch: Fetch, make: Make<Made<M>>) -> Self {
        Self { name, provider: Renewed::new(fetch, make) }
    }
}

impl<M: Send + Sync> Provider<M> for SecretProvider<M> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send<'a>(&'a self, message: &'a M, doubt: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let provider = match self.provider.get().await {
                Ok(provider) => provider,
                // The same for every message, and nothing left: it waits and uses up no attempt.
                Err(reason) => return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason }),
            };
            let outcome = provider.send(message, doubt).await;
            // That is how a provider tells of an outage or a refused password. The message was definitely not sent.
            if matches!(outcome, SendOutcome::NotSent(NotSent::Unavailable { .. }))
                && let Some(newer) = self.provider.instead_of(&provider).await
            {
                return newer.send(message, doubt).await;
            }
            outcome
        })
    }

    fn find<'a>(&'a self, message: &'a M, doubt: &'a Doubt) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            match self.provider.get().await {
                Ok(provider) => provider.find(message, doubt).await,
                Err(error) => {
                    tracing::warn!(error, provider = self.name, "nobody can be asked what became of a message");
                    Found::CannotTell
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
        time::Duration,
    };

    use secrecy::SecretString;
    use sendoff_events::Timestamp;

    use super::*;

    /// A provider, and the password that it was made with.
    struct Server(String);

    const SENT: SendOutcome = SendOutcome::Sent { provider: None, provider_id: None };

    impl Provider<()> for Server {
        fn name(&self) -> &'static str {
            "server"
        }

        fn send<'a>(&'a self, (): &'a (), _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
            let refused = NotSent::Unavailable { after: None, reason: "535 5.7.8".into() };
            let outcome = if self.0 == "new" { SENT } else { SendOutcome::NotSent(refused) };
            Box::pin(async move { outcome })
        }

        fn find<'a>(&'a self, (): &'a (), _: &'a Doubt) -> BoxFuture<'a, Found> {
            Box::pin(async { Found::Sent { provider: None, provider_id: None } })
        }
    }

    fn doubt() -> Doubt {
        Doubt { idempotency_key: "sms/1/ada".into(), provider: None, since: Timestamp::UNIX_EPOCH, moved: false }
    }

    fn made(fetch: Fetch) -> SecretProvider<()> {
        let make: Make<Made<()>> = Box::new(|text| match text {
            "bad" => Err("the secret is no password".to_owned()),
            text => Ok(Box::new(Server(text.to_owned()))),
        });
        SecretProvider::new("server", fetch, make)
    }

    #[tokio::test]
    async fn a_password_that_was_rotated_is_read_again_and_the_message_goes_out_at_once() {
        let rotated = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&rotated);
        // As the secret is kept: what was read lately is not read again, unless there is trouble.
        let provider = made(Box::new(move |age| {
            let text = if seen.load(SeqCst) && age < Duration::from_secs(60) { "new" } else { "old" };
            Box::pin(async move { Ok(SecretString::from(text)) })
        }));
        assert!(matches!(provider.send(&(), None).await, SendOutcome::NotSent(NotSent::Unavailable { .. })));
        rotated.store(true, SeqCst);
        assert_eq!(provider.send(&(), None).await, SENT);
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_or_used_puts_the_message_off_and_answers_no_doubt() {
        for text in [None, Some("bad")] {
            let provider = made(Box::new(move |_| {
                Box::pin(async move { text.map(SecretString::from).ok_or_else(|| "access denied".to_owned()) })
            }));
            let outcome = provider.send(&(), None).await;
            assert!(matches!(outcome, SendOutcome::NotSent(NotSent::Unavailable { .. })), "{outcome:?}");
            assert_eq!(provider.find(&(), &doubt()).await, Found::CannotTell);
        }
    }

    #[tokio::test]
    async fn what_the_provider_knows_of_a_doubt_comes_through() {
        let provider = made(Box::new(|_| Box::pin(async { Ok(SecretString::from("any")) })));
        assert_ne!(provider.find(&(), &doubt()).await, Found::CannotTell);
    }
}
