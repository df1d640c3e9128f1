//! Messages to people.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use sendoff_events::{BoxFuture, Personal, UserId};
use sendoff_producers::{
    Lookup, Records,
    model::{Channel, User, user_key},
};
use serde_json::{Map, Value, json};

use super::{
    ActionError, ActionResult, Actions, WORKFLOW, Worded,
    call::{Call, Content, To},
    outcome::Telling,
    perform::perform,
};
use crate::{
    Classify, Context, HandlerError, Limits, RouterPorts,
    handlers::{
        Desk, Writing,
        desk::Person,
        letter::{Letter, Letters},
        look_up,
        way::Whose,
    },
    join_outcomes,
    links::Unsubscribe,
    routing::{Case, Contact, Decision, contact, decide, suppressed},
};

/// Sends what calls ask for, by one channel.
pub struct MessageActions<W> {
    ports: RouterPorts,
    desk: Arc<Desk>,
    way: Arc<W>,
}

/// Where a message goes, and in what language.
struct Addressee {
    step: String,
    whose: Whose,
    contact: Contact,
    locale: String,
    person: Value,
    unsubscribe: Option<String>,
}

impl<W: Worded> MessageActions<W> {
    /// Sends by `way`, through the inbox of `ports`.
    pub const fn new(ports: RouterPorts, desk: Arc<Desk>, way: Arc<W>) -> Self {
        Self { ports, desk, way }
    }

    async fn send(&self, call: &Call, contact: Option<Contact>, cx: &Context) -> Result<(), HandlerError> {
        let letters = match (&call.to, contact) {
            (To::User(id), _) => self.to_user(id, call, cx).await?,
            (_, Some(contact)) => self.to_address(contact, call, cx).await?,
            // An address was read, and a webhook is refused, before anything was claimed.
            (_, None) => Vec::new(),
        };
        let sent = letters.into_iter().map(|letter| self.desk.deliver(&*self.way, letter, &call.head.tenant, cx));
        join_outcomes(join_all(sent).await)
    }

    async fn to_user(&self, id: &UserId, call: &Call, cx: &Context) -> Result<Vec<Letter<W::Message>>, HandlerError> {
        let skipped = |why| {
            let what = Letters::Skipped(why);
            Ok(vec![Letter { step: id.to_string(), whose: Whose::User(id.clone()), what }])
        };
        let (user, decision) = match self.decide(&*self.desk.records, id, call, cx).await? {
            // It may be so no longer: the user was just made, or has just given an address.
            (_, Decision::Skip(_)) => self.decide(as_lookup(&*self.desk.authoritative), id, call, cx).await?,
            decided => decided,
        };
        let (user, contact) = match (user, decision) {
            (_, Decision::Skip(why)) => return skipped(why),
            (None, _) => return skipped(DELETED.into()),
            (Some(user), _) => match contact(&user, W::CHANNEL) {
                Ok(contact) => (user, contact),
                Err(why) => return skipped(why.into()),
            },
        };
        let to = Addressee {
            step: id.to_string(),
            whose: Whose::User(id.clone()),
            contact,
            locale: user.locale,
            person: json!(Person { id: id.clone(), name: user.name }),
            unsubscribe: self.unsubscribe(id, call),
        };
        self.write(to, call, cx).await
    }

    async fn to_address(
        &self,
        contact: Contact,
        call: &Call,
        cx: &Context,
    ) -> Result<Vec<Letter<W::Message>>, HandlerError> {
        let contacts = [(W::CHANNEL, contact)];
        let found = self.desk.suppressed(as_lookup(&*self.desk.authoritative), &contacts).await?;
        let [(_, contact)] = contacts;
        if let Some(reason) = found.get(&W::CHANNEL) {
            let what = Letters::Skipped(suppressed(*reason).into());
            return Ok(vec![Letter { step: ADDRESS.into(), whose: Whose::Nobody, what }]);
        }
        let person = json!({ "id": "", "name": contact.suppressible().map(|text| Personal::new(text.to_owned())) });
        let (step, locale) = (ADDRESS.to_owned(), String::new());
        self.write(Addressee { step, whose: Whose::Nobody, contact, locale, person, unsubscribe: None }, call, cx).await
    }

    /// What records say of the user.
    async fn decide(
        &self,
        records: &dyn Lookup,
        id: &UserId,
        call: &Call,
        cx: &Context,
    ) -> Result<(Option<User>, Decision), HandlerError> {
        let Some(user) = look_up::find::<User>(records, &user_key(&call.head.tenant, id)).await? else {
            return Ok((None, Decision::Skip(DELETED.into())));
        };
        let contacts: Vec<_> =
            contact(&user, W::CHANNEL).ok().map(|contact| (W::CHANNEL, contact)).into_iter().collect();
        let suppressed = &match user.wants(W::CHANNEL, WORKFLOW) {
            true => self.desk.suppressed(records, &contacts).await?,
            false => BTreeMap::new(),
        };
        let (on, chain, now) = (&BTreeSet::from([W::CHANNEL]), &[W::CHANNEL], cx.now());
        let case = Case { channel: W::CHANNEL, chain, urgent: true, event: WORKFLOW, on, user: &user, suppressed, now };
        let decision = decide(&case).or_reject("record-damaged")?;
        Ok((Some(user), decision))
    }

    async fn write(&self, to: Addressee, call: &Call, cx: &Context) -> Result<Vec<Letter<W::Message>>, HandlerError> {
        let branding = self.desk.branding(&call.head.tenant).await?;
        let unsubscribe = to.unsubscribe.as_deref();
        let (template, locale, mut data) = match &call.content {
            Content::Template { name, locale, data } => {
                (name.as_str(), locale.as_deref().unwrap_or(&to.locale), data.clone())
            }
            _ => ("", to.locale.as_str(), Map::new()),
        };
        data.entry("user").or_insert(to.person);
        data.extend(unsubscribe.map(|url| ("unsubscribe_url".to_owned(), json!(url))));
        let data = Value::Object(data);
        let writing = Writing {
            templates: &self.desk.templates,
            template,
            locale,
            data: &data,
            branding: &branding,
            own_mail: None,
            contact: &to.contact,
            unsubscribe,
            key: cx.key(),
            step: &to.step,
            now: cx.now(),
        };
        let drafts = match &call.content {
            Content::Template { .. } => self.way.write(&writing),
            content => self.way.worded(content, writing),
        };
        let drafts = drafts.or_reject("bad-template")?;
        let letter = |draft: crate::handlers::Draft<W::Message>| Letter {
            step: draft.step.clone(),
            whose: to.whose.clone(),
            what: Letters::Ready(draft),
        };
        Ok(drafts.into_iter().map(letter).collect())
    }

    /// The link that unsubscribes the user from the mails of workflows.
    fn unsubscribe(&self, user: &UserId, call: &Call) -> Option<String> {
        let links = self.desk.links.as_ref().filter(|_| W::CHANNEL == Channel::Email)?;
        let (tenant, user) = (call.head.tenant.clone(), user.clone());
        Some(links.unsubscribe(&Unsubscribe { tenant, user, event: WORKFLOW.to_owned(), channel: Channel::Email }))
    }
}

impl<W: Worded> Actions for MessageActions<W> {
    fn act<'a>(&'a self, call: &'a str, limits: &'a Limits) -> BoxFuture<'a, Result<ActionResult, ActionError>> {
        Box::pin(async move {
            let (call, contact) = read(W::CHANNEL, call)?;
            let call = &call;
            let job = |cx: Arc<Context>| async move { self.send(call, contact, &cx).await };
            perform(&self.ports, W::POLICY, &call.head, Telling::Message, limits, job).await
        })
    }
}

/// The call of a message by `channel`, and the address that it names, if it does.
pub(super) fn read(channel: Channel, text: &str) -> Result<(Call, Option<Contact>), ActionError> {
    let call = Call::read(channel.name(), text)?;
    let contact = match &call.to {
        To::Address(address) => Some(address_of(channel, address)?),
        To::User(_) | To::Webhook { .. } => None,
    };
    Ok((call, contact))
}

/// The step of a message to an address.
const ADDRESS: &str = "address";
const DELETED: &str = "there is no such user";
/// FCM's registration tokens are about 160 characters long; what is far beyond is none.
const MAX_TOKEN: usize = 4096;

/// The address, as the channel has them. The errors don't repeat it.
fn address_of(channel: Channel, address: &Personal<String>) -> Result<Contact, ActionError> {
    let text = address.expose();
    let wrong = |why: String| ActionError::invalid(format!("`to.address` can't be used: {why}"));
    match channel {
        Channel::Email => text.parse().map(Contact::Email).map_err(|error| wrong(format!("{error}"))),
        Channel::Sms | Channel::Whatsapp => text.parse().map(Contact::Phone).map_err(|error| wrong(format!("{error}"))),
        Channel::Push if text.len() <= MAX_TOKEN && text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Contact::Devices(vec![address.clone()]))
        }
        Channel::Push => Err(wrong("it is no registration token".to_owned())),
    }
}

fn as_lookup(records: &dyn Records) -> &dyn Lookup {
    records
}
