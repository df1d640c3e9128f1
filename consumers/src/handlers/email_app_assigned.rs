//! Tells a user by email about the app they were given.

use std::sync::Arc;

use sendoff_events::{AppAssigned, Envelope};
use sendoff_producers::model::Branding;
use serde_json::json;

use super::email::{self, EmailDesk, Letter, Person, Recipient};
use crate::{Classify, Context, Handler, HandlerError, Policy};

/// Mails the user that an app was assigned to.
pub struct EmailAppAssigned(pub Arc<EmailDesk>);

impl Handler for EmailAppAssigned {
    type Event = AppAssigned;

    const NAME: &'static str = email::NAME;
    const POLICY: Policy = email::POLICY;

    async fn handle(&self, event: &Envelope<AppAssigned>, cx: &Context) -> Result<(), HandlerError> {
        let (desk, tenant) = (&self.0, &event.header.tenant);
        let AppAssigned { app_id, user_id, assigned_by } = &event.data;
        let letter = match desk.recipient(tenant, user_id).await? {
            Recipient::Skipped(why) => Letter::Skipped(why),
            Recipient::Reachable { user, address } => {
                let app = desk.app(tenant, app_id).await?;
                let data = json!({
                    "user": Person { id: user_id.clone(), name: user.name },
                    "app": { "id": app_id, "name": app.name },
                    "assigned_by": desk.person(tenant, assigned_by).await?,
                });
                let content = desk.templates.render_mail("app-assigned", &user.locale, &data, &Branding::default());
                Letter::Ready { to: address, content: content.or_reject("bad-template")? }
            }
        };
        desk.post(user_id, letter, cx).await.map(drop)
    }
}
