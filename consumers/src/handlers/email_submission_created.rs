//! Tells the owners of an app by email about a new submission.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use sendoff_events::{Envelope, SubmissionCreated, UserId};
use sendoff_producers::model::{App, Branding, Submission, submission_key};
use serde_json::json;

use super::{
    email::{self, EmailDesk, Letter, Person, Recipient},
    look_up,
};
use crate::{Classify, Context, Handler, HandlerError, Policy, join_outcomes};

/// Mails each owner of the app, in the app's own words if it has some. Each owner is a step of their own: when one mail
/// fails, the retry sends that one only.
pub struct EmailSubmissionCreated(pub Arc<EmailDesk>);

impl Handler for EmailSubmissionCreated {
    type Event = SubmissionCreated;

    const NAME: &'static str = email::NAME;
    const POLICY: Policy = email::POLICY;

    async fn handle(&self, event: &Envelope<SubmissionCreated>, cx: &Context) -> Result<(), HandlerError> {
        let desk = &self.0;
        let app = desk.app(&event.header.tenant, &event.data.app_id).await?;
        let owners: BTreeSet<&UserId> = app.owners.iter().collect();
        // All letters are written before the first one goes: a template that fails, fails for nobody in part.
        let mut letters = Vec::new();
        for owner in owners {
            letters.push((owner, self.letter(owner, &app, event).await?));
        }
        join_outcomes(join_all(letters.into_iter().map(|(owner, letter)| desk.post(owner, letter, cx))).await)
    }
}

impl EmailSubmissionCreated {
    async fn letter(
        &self,
        owner: &UserId,
        app: &App,
        event: &Envelope<SubmissionCreated>,
    ) -> Result<Letter, HandlerError> {
        let (desk, tenant) = (&self.0, &event.header.tenant);
        let SubmissionCreated { app_id, submission_id, author_id, .. } = &event.data;
        let (user, address) = match desk.recipient(tenant, owner).await? {
            Recipient::Reachable { user, address } => (user, address),
            Recipient::Skipped(why) => return Ok(Letter::Skipped(why)),
        };
        let key = submission_key(tenant, app_id, submission_id);
        let Some(submission) = look_up::find::<Submission>(&*desk.records, &key).await? else {
            return Ok(Letter::Skipped("the submission was deleted"));
        };
        let data = json!({
            "user": Person { id: owner.clone(), name: user.name },
            "app": { "id": app_id, "name": app.name },
            "author": desk.person(tenant, author_id).await?,
            "submission": { "id": submission_id, "revision": submission.revision, "fields": submission.fields },
        });
        let content = match &app.submission_mail {
            None => desk.templates.render_mail("submission-created", &user.locale, &data, &Branding::default()),
            Some(own) => {
                let name = format!("apps/{app_id}/submission_mail");
                desk.templates.render_custom(&name, own, &user.locale, &data, &Branding::default())
            }
        };
        Ok(Letter::Ready { to: address, content: content.or_reject("bad-template")? })
    }
}
