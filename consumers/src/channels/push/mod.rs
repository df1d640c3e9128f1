//! Notifications on phones.

mod account;
mod classify;
mod fcm;
mod token;

use std::{collections::BTreeMap, fmt};

pub use account::{ServiceAccount, ServiceAccountError};
pub use fcm::{FcmPush, FcmUrlError};
use sendoff_events::Personal;

/// A notification to one device.
#[derive(Clone, PartialEq, Eq)]
pub struct Push {
    /// The device's registration token.
    pub token: Personal<String>,
    /// The title.
    pub title: String,
    /// The text below it.
    pub body: String,
    /// What the app on the device is told besides: strings by name.
    pub data: BTreeMap<String, String>,
    /// `consumer/event-id/step`: the same for each attempt. Devices replace a notification by a later one of the same key.
    pub idempotency_key: String,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}
