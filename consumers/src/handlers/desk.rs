//! What every channel's handlers work with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sendoff_events::{AppId, Personal, TenantId, UserId};
use sendoff_producers::{
    Lookup, Records,
    model::{
        App, Branding, Channel, Suppression, SuppressionReason, User, app_key, branding_key, suppression_key, user_key,
    },
};
use serde::Serialize;

use super::look_up;
use crate::{
    Deliveries, HandlerError, Inbox,
    links::Links,
    routing::{Contact, Routing},
    templates::Templates,
};

/// Everything that telling people takes, but for what sends. One for all channels of a process.
pub struct Desk {
    /// Where users and apps are looked up, also through a cache: while a channel waits for its turn, and for names and texts.
    pub records: Arc<dyn Lookup>,
    /// The records themselves, never a copy: asked once more before somebody is told nothing, which is for good, and before a
    /// message goes to them, for the user and the suppression of their address, so that an opt-out counts at once. Written when
    /// an address turns out to be gone. May be the same as `records` where that remembers nothing.
    pub authoritative: Arc<dyn Records>,
    /// The ledger, in which a channel reads what became of those that stand before it in a chain.
    pub inbox: Arc<dyn Inbox>,
    /// What providers have told of messages since.
    pub deliveries: Arc<dyn Deliveries>,
    /// The texts.
    pub templates: Arc<Templates>,
    /// Who is told of what, how.
    pub routing: Arc<Routing>,
    /// Makes the links that unsubscribe. Without a public address mails have none.
    pub links: Option<Links>,
    /// The channels that have a provider in this deployment, in whatever process: others stand in nobody's chain. All processes
    /// have to agree on it, or each leaves somebody to the other.
    pub channels: BTreeSet<Channel>,
}

/// A person as templates see them.
#[derive(Serialize)]
pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) name: Personal<String>,
}

impl Desk {
    /// The app that an event speaks of. One that `records` doesn't know may have just been made.
    pub(super) async fn app(&self, tenant: &TenantId, id: &AppId) -> Result<App, HandlerError> {
        match look_up::find(&*self.records, &app_key(tenant, id)).await? {
            Some(app) => Ok(app),
            None => look_up::app(&*self.authoritative, tenant, id).await,
        }
    }

    /// A person as they are called; by their id when they were deleted.
    pub(super) async fn person(&self, tenant: &TenantId, id: &UserId) -> Result<Person, HandlerError> {
        let user = look_up::find::<User>(&*self.records, &user_key(tenant, id)).await?;
        let name = user.map_or_else(|| Personal::new(id.to_string()), |user| user.name);
        Ok(Person { id: id.clone(), name })
    }

    /// How the tenant's messages look.
    pub(super) async fn branding(&self, tenant: &TenantId) -> Result<Branding, HandlerError> {
        Ok(look_up::find(&*self.records, &branding_key(tenant)).await?.unwrap_or_default())
    }

    /// Which of these contacts are suppressed, and why.
    pub(super) async fn suppressed(
        &self,
        records: &dyn Lookup,
        contacts: &[(Channel, Contact)],
    ) -> Result<BTreeMap<Channel, SuppressionReason>, HandlerError> {
        let mut suppressed = BTreeMap::new();
        for (channel, contact) in contacts {
            let Some(address) = contact.suppressible() else { continue };
            let found = look_up::find::<Suppression>(records, &suppression_key(*channel, address)).await?;
            suppressed.extend(found.filter(Suppression::holds).map(|found| (*channel, found.reason)));
        }
        Ok(suppressed)
    }
}
