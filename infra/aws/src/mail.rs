//! Mail through a server whose address, with user and password, is a secret that may be rotated at any time.

use sendoff_consumers::{
    Doubt, NotSent, SendOutcome,
    channels::{
        Provider,
        email::{Mail, SmtpProvider, SmtpSettings, SmtpUrl},
    },
};
use sendoff_events::BoxFuture;

use crate::renewed::{Fetch, Renewed};

/// Sends through the server that the secret names. The secret is read when the first mail is sent, and again at once when
/// the server can't be reached or doesn't let us in.
pub(crate) struct SecretEmail<P = SmtpProvider>(Renewed<P>);

impl SecretEmail {
    pub(crate) fn new(fetch: Fetch) -> Self {
        Self(Renewed::new(fetch, Box::new(provider)))
    }
}

fn provider(text: &str) -> Result<SmtpProvider, String> {
    let url: SmtpUrl = text.trim().parse().map_err(|error| format!("the mail server's secret: {error}"))?;
    SmtpProvider::new(SmtpSettings::new(url)).map_err(|error| error.to_string())
}

impl<P: Provider<Mail>> Provider<Mail> for SecretEmail<P> {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn send<'a>(&'a self, mail: &'a Mail, doubt: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async move {
            let provider = match self.0.get().await {
                Ok(provider) => provider,
                // The same for every mail, and nothing left: it waits and uses up no attempt.
                Err(reason) => return SendOutcome::NotSent(NotSent::Unavailable { after: None, reason }),
            };
            let outcome = provider.send(mail, doubt).await;
            // That is how a provider tells of an outage or a refused password. The mail was definitely not sent.
            if matches!(outcome, SendOutcome::NotSent(NotSent::Unavailable { .. }))
                && let Some(newer) = self.0.instead_of(&provider).await
            {
                return newer.send(mail, doubt).await;
            }
            outcome
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
    use sendoff_events::{Personal, Timestamp};

    use super::*;

    /// A server, and the password that we know.
    struct Server(String);

    impl Provider<Mail> for Server {
        fn name(&self) -> &'static str {
            "smtp"
        }

        fn send<'a>(&'a self, _: &'a Mail, _: Option<&'a Doubt>) -> BoxFuture<'a, SendOutcome> {
            let refused = NotSent::Unavailable { after: None, reason: "535 5.7.8".into() };
            let knows = self.0 == "new";
            Box::pin(async move {
                if knows {
                    SendOutcome::Sent { provider: None, provider_id: None }
                } else {
                    SendOutcome::NotSent(refused)
                }
            })
        }
    }

    fn mail() -> Mail {
        Mail {
            to: Personal::new("ada@example.org".parse().unwrap()),
            from: "Sendoff <noreply@example.org>".parse().unwrap(),
            reply_to: None,
            subject: "Hello".into(),
            html: "<p>Hello</p>".into(),
            text: "Hello".into(),
            idempotency_key: "email/1/ada".into(),
            date: Timestamp::UNIX_EPOCH,
            list_unsubscribe: None,
        }
    }

    #[tokio::test]
    async fn a_password_that_was_rotated_is_read_again_and_the_mail_goes_out_at_once() {
        let rotated = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&rotated);
        // As the secret is kept: what was read lately is not read again, unless there is trouble.
        let fetch: Fetch = Box::new(move |age| {
            let text = if seen.load(SeqCst) && age < Duration::from_secs(60) { "new" } else { "old" };
            Box::pin(async move { Ok(SecretString::from(text)) })
        });
        let email = SecretEmail(Renewed::new(fetch, Box::new(|text| Ok(Server(text.to_owned())))));
        assert!(matches!(email.send(&mail(), None).await, SendOutcome::NotSent(NotSent::Unavailable { .. })));
        rotated.store(true, SeqCst);
        assert_eq!(email.send(&mail(), None).await, SendOutcome::Sent { provider: None, provider_id: None });
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_or_used_puts_the_mail_off_and_is_not_shown() {
        for text in [None, Some("ftp://ada:hunter2@example.org")] {
            let fetch: Fetch = Box::new(move |_| {
                Box::pin(async move { text.map(SecretString::from).ok_or_else(|| "access denied".to_owned()) })
            });
            let outcome = SecretEmail::new(fetch).send(&mail(), None).await;
            let SendOutcome::NotSent(NotSent::Unavailable { reason, .. }) = outcome else { panic!("{outcome:?}") };
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }
}
