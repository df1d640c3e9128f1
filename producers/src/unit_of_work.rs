//! What is committed at once, and what no store may commit.

use sendoff_events::{Outgoing, TenantId, Timestamp};

use crate::{CommitError, RequestKey, Write};

/// What is committed in one atomic step: changes of state, the events that tell of them, and the caller's request key.
///
#[doc = include_str!("../../docs/PUBLISHING.md")]
#[derive(Debug, Clone)]
pub struct UnitOfWork {
    /// Whose work it is. Every write and event must belong to this tenant.
    pub tenant: TenantId,
    /// Who does it, for the change stream: a user id or a service's name.
    pub actor: String,
    /// When, in milliseconds.
    pub at: Timestamp,
    /// The changes of state; no record twice.
    pub writes: Vec<Write>,
    /// The events that tell of them. Where there are none, no consumer ever hears of the writes.
    pub events: Vec<Outgoing>,
    /// Whether the writes may stand without an event: what no consumer waits for says so by
    /// [`without_events`](Self::without_events). The stream of changes has them all the same.
    pub may_be_silent: bool,
    /// The caller's request key.
    pub request: Option<RequestKey>,
}

impl UnitOfWork {
    /// The most writes and events together: 100 items of a DynamoDB transaction, less one for the request key.
    pub const MAX_ITEMS: usize = 99;

    /// Work of `actor` for `tenant`, with nothing in it yet.
    #[must_use]
    pub fn new(tenant: TenantId, actor: impl Into<String>, at: Timestamp) -> Self {
        let (writes, events) = (Vec::new(), Vec::new());
        Self { tenant, actor: actor.into(), at, writes, events, may_be_silent: false, request: None }
    }

    /// With this change of state.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// With this event.
    #[must_use]
    pub fn tell(mut self, event: Outgoing) -> Self {
        self.events.push(event);
        self
    }

    /// Says that no consumer has to hear of the writes: settings, notes, a system's own bookkeeping. Without it, writes without an
    /// event are taken for a mistake and refused.
    #[must_use]
    pub fn without_events(mut self) -> Self {
        self.may_be_silent = true;
        self
    }

    /// With the caller's request key, and the answer that each repetition of the request gets.
    #[must_use]
    pub fn answer(mut self, request: RequestKey) -> Self {
        self.request = Some(request);
        self
    }

    /// Checks what every backend must refuse: another tenant's records or events, an event whose body isn't what its attributes
    /// say, writes that nothing tells of though nobody said so, the same record twice, more than
    /// [`MAX_ITEMS`](Self::MAX_ITEMS).
    ///
    /// # Errors
    ///
    /// [`CommitError::Invalid`] with the first thing that is wrong.
    pub fn validate(&self) -> Result<(), CommitError> {
        match self.mistake() {
            Some(why) => Err(CommitError::Invalid(why)),
            None => Ok(()),
        }
    }

    fn mistake(&self) -> Option<String> {
        let items = self.writes.len() + self.events.len();
        if items > Self::MAX_ITEMS {
            return Some(format!(
                "{items} writes and events are more than the limit of {}: commit them in several units",
                Self::MAX_ITEMS
            ));
        }
        let own = &self.tenant;
        if let Some(Write { key, .. }) = self.writes.iter().find(|write| write.key.tenant != *own) {
            let theirs = &key.tenant;
            return Some(format!(
                "record {key} belongs to tenant `{theirs}` and the unit to `{own}`: commit it in a unit of that tenant"
            ));
        }
        self.events.iter().find_map(|event| self.mistake_of(event)).or_else(|| self.silence()).or_else(|| self.twice())
    }

    fn mistake_of(&self, event: &Outgoing) -> Option<String> {
        let (own, theirs) = (&self.tenant, event.tenant());
        if theirs != own {
            let (id, of_type) = (event.id(), event.event_type());
            return Some(format!(
                "event {id} of type `{of_type}` belongs to tenant `{theirs}` and the unit to `{own}`: make it with \
                 `Origin {{ tenant, .. }}` of the unit, or commit it in a unit of that tenant"
            ));
        }
        event.check().err().map(|error| error.to_string())
    }

    fn silence(&self) -> Option<String> {
        let first = self.writes.first().filter(|_| self.events.is_empty() && !self.may_be_silent)?;
        Some(format!(
            "{} is written and no event tells of it, so that no consumer would hear of it: add the event with `tell`, or say \
             with `without_events` that there is none",
            first.key
        ))
    }

    fn twice(&self) -> Option<String> {
        let mut keys: Vec<_> = self.writes.iter().map(|write| &write.key).collect();
        keys.sort();
        let pair = keys.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(format!("{} is written twice: a unit writes each record once, as it is at the end", pair[0]))
    }
}

#[cfg(test)]
mod tests {
    use sendoff_events::{AppAssigned, Envelope, Origin};
    use serde_json::json;

    use super::*;
    use crate::{Expected, RecordKey, still::Still};

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn work() -> UnitOfWork {
        UnitOfWork::new(tenant("acme"), "ada", Timestamp::UNIX_EPOCH)
    }

    fn write(whose: &str, id: &str) -> Write {
        let key = RecordKey::new(&tenant(whose), "archives", id);
        Write { key, expected: Expected::Absent, data: Some(json!({})) }
    }

    fn event(whose: &str, user: &str) -> Outgoing {
        let id = |text: &str| text.parse().unwrap();
        let data = AppAssigned { app_id: "crm".parse().unwrap(), user_id: id(user), assigned_by: id("grace") };
        let origin = Origin {
            source: "/tests".into(),
            tenant: tenant(whose),
            correlation: None,
            causation: None,
            traceparent: None,
            hops: 0,
        };
        Envelope::new(data, origin, None, &Still, &Still).encode().unwrap()
    }

    #[test]
    fn a_write_that_is_told_of_or_said_to_be_silent_is_valid_and_so_is_an_event_alone() {
        let told = work().write(write("acme", "crm")).tell(event("acme", "ada"));
        let silent = work().write(write("acme", "crm")).without_events();
        for good in [told, silent, work().tell(event("acme", "ada")), work()] {
            good.validate().unwrap();
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong_where_and_what_to_do() {
        let told = || work().tell(event("acme", "ada"));
        let forged = |body: &'static str| work().tell(event("acme", "ada").with_body(body.into()));
        let cases = [
            (work().write(write("acme", "crm")), ["archives/crm", "no event", "`tell`", "`without_events`"]),
            (told().write(write("other", "crm")), ["archives/crm", "`other`", "`acme`", "that tenant"]),
            (work().tell(event("other", "ada")), ["app.assigned.v1", "`other`", "`acme`", "`Origin"]),
            (forged("not json"), ["app.assigned.v1", "body", "any consumer", "`Envelope::encode`"]),
            (
                work().tell(event("acme", "ada").with_body(event("other", "ada").into_body())),
                ["`other`", "`acme`", "tenant", "`Envelope::encode`"],
            ),
            (
                work().tell(event("acme", "ada").with_body(event("acme", "bob").into_body())),
                ["subject", "/bob`", "/ada`", "`Envelope::encode`"],
            ),
            (told().write(write("acme", "crm")).write(write("acme", "crm")), ["archives/crm", "twice", "once", "end"]),
            (
                (0..99).fold(told(), |work, n| work.write(write("acme", &n.to_string()))),
                ["100", "99", "limit", "several"],
            ),
        ];
        for (work, words) in cases {
            let why = work.validate().unwrap_err().to_string();
            assert!(words.iter().all(|word| why.contains(word)), "{why}");
        }
    }
}
