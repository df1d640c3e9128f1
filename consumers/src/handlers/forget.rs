//! What is done about an address that turns out to be gone, so that nobody tries it again. It is tidied up beside the message:
//! where that fails, the next message finds out again.

use sendoff_events::{AppId, TenantId, Timestamp, UserId, at_millis};
use sendoff_producers::{
    CommitError, Expected, ReadError, RecordKey, Records, UnitOfWork, Write,
    model::{
        Channel, Stored, Suppression, SuppressionReason, User, WebhookEndpoint, load, suppression_key, user_key,
        webhook_key,
    },
};

use super::Desk;
use crate::{BoxError, scrub};

/// How often a change is made anew because others wrote in between.
const ATTEMPTS: usize = 5;

/// Who does it and when, for the change stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) actor: &'static str,
    pub(super) now: Timestamp,
}

impl Desk {
    /// Nothing is sent to the address on this channel any more, whoever's it is.
    pub(super) async fn suppress(&self, channel: Channel, address: &str, source: &str, mark: Mark) {
        let reason = match channel {
            Channel::Email => SuppressionReason::Bounced,
            Channel::Sms | Channel::Whatsapp | Channel::Push => SuppressionReason::Stopped,
        };
        let suppression = Suppression::new(reason, mark.now, source);
        let (key, failed) = (suppression_key(channel, address), "an address that is gone can't be suppressed");
        match self.write(key.clone(), Expected::Absent, &suppression, mark).await {
            Ok(()) => {}
            // Somebody else was told of it, too; or its owner had it lifted before.
            Err(Failed::Conflict) => {
                self.change(key, |known| suppression.replace_lifted(known), mark, failed).await;
            }
            Err(Failed::Other(error)) => warn(failed, &*error),
        }
    }

    /// The device is the user's no more.
    pub(super) async fn forget_device(&self, tenant: &TenantId, user: &UserId, token: &str, mark: Mark) {
        let without = |user: &mut User| {
            let before = user.push_tokens.len();
            user.push_tokens.retain(|known| known.expose() != token);
            user.push_tokens.len() < before
        };
        self.change(user_key(tenant, user), without, mark, "a device that is gone can't be struck from its user").await;
    }

    /// The endpoint is called no more, unless it has another address by now than the one, `url`, that was called.
    pub(super) async fn disable_webhook(&self, webhook: (&TenantId, &AppId, &str), url: &str, why: &str, mark: Mark) {
        let disabled = |endpoint: &mut WebhookEndpoint| {
            let is_to_be = endpoint.url == url && endpoint.disabled.is_none();
            if is_to_be {
                endpoint.disabled = Some(scrub(why));
            }
            is_to_be
        };
        let (tenant, app, id) = webhook;
        self.change(webhook_key(tenant, app, id), disabled, mark, "a webhook that is gone can't be disabled").await;
    }

    /// Changes a record as it stands; `edit` says whether there is anything to change.
    async fn change<T: Stored + Send + Sync>(
        &self,
        key: RecordKey,
        edit: impl Fn(&mut T) -> bool + Send + Sync,
        mark: Mark,
        failed: &'static str,
    ) {
        for _ in 0..ATTEMPTS {
            let stored = match load::<T>(as_lookup(&*self.authoritative), &key).await {
                Ok(stored) => stored,
                Err(error @ (ReadError::Unavailable(_) | ReadError::Damaged { .. })) => return warn(failed, &error),
            };
            let Some((mut data, version)) = stored else { return };
            if !edit(&mut data) {
                return;
            }
            match self.write(key.clone(), Expected::Version(version), &data, mark).await {
                Ok(()) => return,
                Err(Failed::Conflict) => {}
                Err(Failed::Other(error)) => return warn(failed, &*error),
            }
        }
        warn(failed, &"others keep changing the record");
    }

    async fn write<T: Stored + Sync>(
        &self,
        key: RecordKey,
        expected: Expected,
        data: &T,
        mark: Mark,
    ) -> Result<(), Failed> {
        let data = serde_json::to_value(data).map_err(|e| Failed::Other(e.into()))?;
        let work = UnitOfWork::new(key.tenant.clone(), mark.actor, at_millis(mark.now))
            .write(Write { key, expected, data: Some(data) })
            .without_events();
        match self.authoritative.commit(work).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(Failed::Conflict),
            Err(error) => Err(Failed::Other(error.into())),
        }
    }
}

enum Failed {
    Conflict,
    Other(BoxError),
}

fn as_lookup(records: &dyn Records) -> &dyn sendoff_producers::Lookup {
    records
}

fn warn(what: &'static str, error: &dyn std::fmt::Display) {
    tracing::warn!(error = scrub(&error.to_string()), "{what}; the next message will find out again");
}
