//! An event that people are told of.

use std::collections::BTreeSet;

use sendoff_events::{Event, TenantId, UserId};
use sendoff_producers::model::MailTemplate;
use serde_json::{Map, Value};

use super::Desk;
use crate::{HandlerError, routing::To};

/// An event that people are told of: whom it concerns, and what there is to tell.
pub trait Notice: Event {
    /// Who `to` is. Nobody when the event has nobody of this kind.
    fn people(
        &self,
        to: &To,
        desk: &Desk,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<BTreeSet<UserId>, HandlerError>> + Send;

    /// What there is to tell, looked up now.
    fn story(&self, desk: &Desk, tenant: &TenantId) -> impl Future<Output = Result<Story, HandlerError>> + Send;
}

/// What there is to tell.
pub enum Story {
    /// This.
    Told {
        /// What templates see, but for `user`, who is told.
        data: Map<String, Value>,
        /// The app's own mail, in place of the template, and the name that errors call it by.
        own_mail: Option<(String, MailTemplate)>,
    },
    /// Nothing any more, and why.
    Gone(&'static str),
}
