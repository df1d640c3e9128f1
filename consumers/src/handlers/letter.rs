//! What is to be done for one recipient: all of it is decided before the first message goes.

use std::{borrow::Cow, collections::BTreeSet};

use sendoff_events::{Envelope, Personal, Timestamp, UserId};
use sendoff_producers::{
    Lookup, Records,
    model::{Branding, Channel, User, user_key},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Desk, Draft, Notice, Story, Way, Writing,
    desk::Person,
    look_up,
    notices::object,
    turn::{Asking, Turn},
    way::Whose,
};
use crate::{
    Classify, Context, HandlerError, StepState,
    links::Unsubscribe,
    routing::{Case, Contact, DamagedQuietHours, Decision, Rule, contact, decide, suppressed},
};

/// What is to be done for one recipient, or one of their devices.
pub(super) struct Letter<M> {
    pub(super) step: String,
    pub(super) whose: Whose,
    pub(super) what: Letters<M>,
}

/// What is to be done.
pub(super) enum Letters<M> {
    /// Nothing: it was done before.
    Settled,
    /// Nothing, and why.
    Skipped(Cow<'static, str>),
    /// Nothing yet.
    Waits { until: Timestamp, why: String },
    /// Somebody has to look.
    Refused { reason: &'static str, why: String },
    /// A message is to be sent.
    Ready(Draft<M>),
}

/// One event on its way to its recipients on one channel.
pub(super) struct Round<'r, E, W> {
    pub(super) desk: &'r Desk,
    pub(super) way: &'r W,
    pub(super) event: &'r Envelope<E>,
    pub(super) cx: &'r Context,
    /// Looked up when the first one is to be written to.
    told: Option<(Story, Branding)>,
    /// The addresses of the event that were written to so far.
    addresses: BTreeSet<String>,
}

/// Who is to be written to, and where.
struct Addressee<'a> {
    step: &'a str,
    whose: Whose,
    contact: Contact,
    locale: &'a str,
    person: Value,
    unsubscribe: Option<String>,
}

type Written<W> = Result<Vec<Letter<<W as Way>::Message>>, HandlerError>;

impl<'r, E: Notice, W: Way> Round<'r, E, W> {
    pub(super) const fn new(desk: &'r Desk, way: &'r W, event: &'r Envelope<E>, cx: &'r Context) -> Self {
        Self { desk, way, event, cx, told: None, addresses: BTreeSet::new() }
    }

    /// What is to be done for a user by this rule.
    pub(super) async fn for_user(&mut self, rule: &Rule, id: &UserId) -> Written<W> {
        let all = |what| Ok(vec![Letter { step: id.to_string(), whose: Whose::User(id.clone()), what }]);
        let Some(chain) = rule.chain(W::CHANNEL) else { return all(no_rule::<W>()) };
        match self.cx.state_of(id.as_str()) {
            Some(StepState::Done | StepState::Skipped) => return all(Letters::Settled),
            // The ledger tells again what it failed of.
            Some(StepState::Failed) => return all(Letters::Skipped("it has failed before".into())),
            _ => {}
        }
        let decision = match self.decide(&*self.desk.records, rule, chain, id).await?.1 {
            // It may be so no longer: the user was just made, or has just given an address.
            Ok(Decision::Skip(_)) => self.decide(as_lookup(&*self.desk.authoritative), rule, chain, id).await?.1,
            decided => decided,
        };
        let (earlier, held_until) = match decision {
            Err(damaged) => return all(damaged_hours(&damaged)),
            Ok(Decision::Skip(why)) => return all(Letters::Skipped(why)),
            Ok(Decision::Later(until)) => return all(quiet(until)),
            Ok(Decision::Send) => (Vec::new(), None),
            Ok(Decision::After { earlier, held_until }) => (earlier, held_until),
        };
        let ask =
            Asking { cx: self.cx, event: self.event.header.id, recipient: id.as_str(), now: self.cx.now(), held_until };
        match self.desk.turn(&earlier, &ask).await? {
            Turn::Mine => {}
            Turn::Over(why) => return all(Letters::Skipped(why.into())),
            Turn::Wait { until, why } => return all(Letters::Waits { until, why }),
            Turn::NoNews(why) => return all(Letters::Refused { reason: "no-news-of-earlier-channel", why }),
        }
        if self.cx.is_replay() {
            let after: Vec<_> = chain.iter().copied().skip_while(|c| *c != W::CHANNEL).skip(1).collect();
            if let Some(why) = self.desk.taken_over(&after, &ask).await? {
                return all(Letters::Skipped(why.into()));
            }
        }
        let (user, contact) = match self.certain(rule, id).await? {
            Ok(found) => found,
            Err(what) => return all(what),
        };
        let person = json!(Person { id: id.clone(), name: user.name.clone() });
        let unsubscribe = self.unsubscribe(id);
        let whose = Whose::User(id.clone());
        self.write(rule, Addressee { step: id.as_str(), whose, contact, locale: &user.locale, person, unsubscribe })
            .await
    }

    /// What is to be done for the address at this place of the event.
    pub(super) async fn for_address(&mut self, rule: &Rule, pointer: &str, channel: Channel) -> Written<W> {
        let nobody = |step: &str, what| Ok(vec![Letter { step: step.to_owned(), whose: Whose::Nobody, what }]);
        let step = address_step(channel, pointer);
        if channel != W::CHANNEL {
            return nobody(&step, no_rule::<W>());
        }
        if !self.desk.channels.contains(&channel) {
            return nobody(&step, Letters::Skipped("the channel is off here".into()));
        }
        let mut data = object(&self.event.data)?;
        match self.told().await? {
            (Story::Gone(why), _) => return nobody(&step, Letters::Skipped((*why).into())),
            (Story::Told { data: told, .. }, _) => data.extend(told.clone()),
        }
        let data = Value::Object(data);
        let Some(text) = data.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
        else {
            return nobody(&step, Letters::Skipped(format!("the event has no address at {pointer}").into()));
        };
        let parsed = match channel {
            Channel::Email => text.parse().ok().map(Contact::Email),
            Channel::Sms | Channel::Whatsapp => text.parse().ok().map(Contact::Phone),
            Channel::Push => None,
        };
        let Some(contact) = parsed else {
            return nobody(&step, Letters::Skipped(format!("the address at {pointer} is not valid").into()));
        };
        if !self.addresses.insert(text.to_lowercase()) {
            return nobody(&step, Letters::Skipped("another rule writes to this address already".into()));
        }
        let contacts = [(channel, contact)];
        let found = self.desk.suppressed(as_lookup(&*self.desk.authoritative), &contacts).await?;
        if let Some(reason) = found.get(&channel) {
            return nobody(&step, Letters::Skipped(suppressed(*reason).into()));
        }
        let [(_, contact)] = contacts;
        let person = json!({ "id": "", "name": Personal::new(text.to_owned()) });
        let whose = Whose::Nobody;
        self.write(rule, Addressee { step: &step, whose, contact, locale: "", person, unsubscribe: None }).await
    }

    /// The user, and where they are written to, if they may be right now. Everything before goes by what is remembered, which may
    /// be half a minute old, and is good enough for waiting; but after a STOP or an opt-out nothing may go out. It costs two
    /// reads of the records for each message, of the user and of the suppression of their address; a push message needs the
    /// first only.
    async fn certain(
        &self,
        rule: &Rule,
        id: &UserId,
    ) -> Result<Result<(User, Contact), Letters<W::Message>>, HandlerError> {
        let (user, decision) = self.decide(as_lookup(&*self.desk.authoritative), rule, &[W::CHANNEL], id).await?;
        Ok(match (user, decision) {
            (_, Err(damaged)) => Err(damaged_hours(&damaged)),
            (_, Ok(Decision::Skip(why))) => Err(Letters::Skipped(why)),
            (_, Ok(Decision::Later(until))) => Err(quiet(until)),
            (None, Ok(_)) => Err(Letters::Skipped(DELETED.into())),
            (Some(user), Ok(Decision::Send | Decision::After { .. })) => match contact(&user, W::CHANNEL) {
                Ok(contact) => Ok((user, contact)),
                Err(why) => Err(Letters::Skipped(why.into())),
            },
        })
    }

    /// What rules and records say, as these records have it.
    async fn decide(
        &self,
        records: &dyn Lookup,
        rule: &Rule,
        chain: &[Channel],
        id: &UserId,
    ) -> Result<(Option<User>, Result<Decision, DamagedQuietHours>), HandlerError> {
        let key = user_key(&self.event.header.tenant, id);
        let Some(user) = look_up::find::<User>(records, &key).await? else {
            return Ok((None, Ok(Decision::Skip(DELETED.into()))));
        };
        // Of the channels that stand behind ours nothing need be known.
        let here = chain.iter().position(|channel| *channel == W::CHANNEL).map_or(chain.len(), |at| at + 1);
        let asked = chain.iter().take(here).filter(|c| self.desk.channels.contains(c) && user.wants(**c, E::TYPE));
        let contacts: Vec<_> = asked.filter_map(|channel| Some((*channel, contact(&user, *channel).ok()?))).collect();
        let suppressed = &self.desk.suppressed(records, &contacts).await?;
        let (on, now) = (&self.desk.channels, self.cx.now());
        let (channel, urgent, event) = (W::CHANNEL, rule.urgent, E::TYPE);
        let decision = decide(&Case { channel, chain, urgent, event, on, user: &user, suppressed, now });
        Ok((Some(user), decision))
    }

    async fn write(&mut self, rule: &Rule, to: Addressee<'_>) -> Written<W> {
        let (desk, key, now) = (self.desk, self.cx.key(), self.cx.now());
        let way = self.way;
        let letter = |step, what| Letter { step, whose: to.whose.clone(), what };
        let (story, branding) = self.told().await?;
        let (mut data, own_mail) = match story {
            Story::Gone(why) => return Ok(vec![letter(to.step.to_owned(), Letters::Skipped((*why).into()))]),
            Story::Told { data, own_mail } => (data.clone(), own_mail),
        };
        data.insert("user".into(), to.person);
        let unsubscribe = to.unsubscribe.as_deref();
        data.extend(unsubscribe.map(|url| ("unsubscribe_url".to_owned(), json!(url))));
        let drafts = way.write(&Writing {
            templates: &desk.templates,
            template: &rule.template,
            locale: to.locale,
            data: &Value::Object(data),
            branding,
            own_mail: own_mail.as_ref().map(|(name, own)| (name.as_str(), own)),
            contact: &to.contact,
            unsubscribe,
            key,
            step: to.step,
            now,
        });
        let drafts = drafts.or_reject("bad-template")?;
        Ok(drafts.into_iter().map(|draft| letter(draft.step.clone(), Letters::Ready(draft))).collect())
    }

    async fn told(&mut self) -> Result<&(Story, Branding), HandlerError> {
        if self.told.is_none() {
            let tenant = &self.event.header.tenant;
            let story = self.event.data.story(self.desk, tenant).await?;
            self.told = Some((story, self.desk.branding(tenant).await?));
        }
        self.told.as_ref().ok_or("the story was just told").or_retry()
    }

    /// The link that unsubscribes the user from mails of this event.
    fn unsubscribe(&self, user: &UserId) -> Option<String> {
        let links = self.desk.links.as_ref().filter(|_| W::CHANNEL == Channel::Email)?;
        let (tenant, user) = (self.event.header.tenant.clone(), user.clone());
        Some(links.unsubscribe(&Unsubscribe { tenant, user, event: E::TYPE.to_owned(), channel: Channel::Email }))
    }
}

const DELETED: &str = "the user was deleted";

fn no_rule<W: Way>() -> Letters<W::Message> {
    Letters::Skipped(format!("no rule sends this by {}", W::CHANNEL.name()).into())
}

fn damaged_hours<M>(damaged: &DamagedQuietHours) -> Letters<M> {
    Letters::Refused { reason: "record-damaged", why: damaged.to_string() }
}

fn quiet<M>(until: Timestamp) -> Letters<M> {
    Letters::Waits { until, why: "the user has quiet hours".into() }
}

fn as_lookup(records: &dyn Records) -> &dyn Lookup {
    records
}

/// The step of the address at this place of an event on this channel. Nothing of the address goes into it: there are so few phone numbers that
/// one is found from its hash by trying them all. Of the place it is 64 bits, since steps travel in headers and URLs, and a place
/// may be called anything.
fn address_step(channel: Channel, pointer: &str) -> String {
    let place = format!("{} {pointer}", channel.name());
    let hash: String = Sha256::digest(place).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("address-{hash}")
}
