//! Letters and selections at random, and a plain model of what a selection means, written without the selector.

use proptest::{
    collection::vec,
    option::{of, weighted},
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};
use sendoff_consumers::{Class, DeadLetter, Status};
use sendoff_dlq_tools::{
    letter::{EventFacts, Facts, FailureFacts, LedgerFacts, Letter, Shape},
    select::Selection,
};
use sendoff_events::{EventId, Timestamp};
use serde_json::{Map, Value, json};

use super::now;

/// What the model knows of a letter.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    message_id: String,
    /// How many minutes before now it was put there.
    age_min: i64,
    event: Option<PlainEvent>,
    failure: Option<PlainFailure>,
    ledger: Option<Status>,
    replays: u32,
}

#[derive(Debug, Clone)]
struct PlainEvent {
    id: EventId,
    event_type: &'static str,
    tenant: &'static str,
    sequence: Option<u64>,
    app: Option<&'static str>,
    count: Option<i64>,
    tags: Option<Vec<&'static str>>,
}

#[derive(Debug, Clone)]
struct PlainFailure {
    reason: &'static str,
    fingerprint: &'static str,
    attempts: Option<u32>,
    /// How many minutes before now it failed.
    last_min: Option<i64>,
}

const TYPES: [&str; 5] = [
    "submission.created.v1",
    "submission.created.v2",
    "submission.created.very",
    "app.assigned.v1",
    "app.assigned.v10",
];
const TENANTS: [&str; 3] = ["acme", "acme-2", "zeta"];
const REASONS: [&str; 3] = ["bad-template", "no-address", "bad"];
const GROUPS: [&str; 4] = ["bad-template-00aa", "bad-template-00ab", "bad", "no-address-11"];
const APPS: [&str; 2] = ["crm", "shop"];
const TAGS: [&str; 3] = ["a", "b", "ü\"\\"];

fn event_id(number: u64) -> EventId {
    format!("01926b3e-5a00-7000-8000-{number:012x}").parse().unwrap()
}

/// Few, so that they often meet.
fn minutes() -> impl Strategy<Value = i64> {
    (0..5_i64).prop_map(|half_hours| 30 * half_hours)
}

fn event() -> impl Strategy<Value = PlainEvent> {
    let data = (of(select(&APPS[..])), of(0..4_i64), of(vec(select(&TAGS[..]), 0..3)));
    (0..6_u64, select(&TYPES[..]), select(&TENANTS[..]), of(1..4_u64), data).prop_map(
        |(id, event_type, tenant, sequence, (app, count, tags))| PlainEvent {
            id: event_id(id),
            event_type,
            tenant,
            sequence,
            app,
            count,
            tags,
        },
    )
}

fn failure() -> impl Strategy<Value = PlainFailure> {
    (select(&REASONS[..]), select(&GROUPS[..]), of(1..5_u32), of(minutes()))
        .prop_map(|(reason, fingerprint, attempts, last_min)| PlainFailure { reason, fingerprint, attempts, last_min })
}

/// Up to so many letters.
pub(super) fn plains(most: usize) -> impl Strategy<Value = Vec<Plain>> {
    let status = select(&[Status::Claimed, Status::Done, Status::InDoubt, Status::Failed][..]);
    let one = (minutes(), of(event()), of(failure()), of(status), 0..3_u32);
    vec(one, 0..most).prop_map(|letters| {
        let plain = |(place, (age_min, event, failure, ledger, replays)): (usize, _)| Plain {
            message_id: format!("m-{place:03}"),
            age_min,
            event,
            failure,
            ledger,
            replays,
        };
        letters.into_iter().enumerate().map(plain).collect()
    })
}

fn minutes_ago(minutes: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - 60 * minutes).unwrap()
}

impl Plain {
    pub(super) fn message_id(&self) -> &str {
        &self.message_id
    }

    pub(super) fn fingerprint(&self) -> &'static str {
        let without = if self.event.is_none() { "not-json" } else { "unknown" };
        self.failure.as_ref().map_or(without, |failure| failure.fingerprint)
    }

    pub(super) fn event_type(&self) -> Option<&'static str> {
        self.event.as_ref().map(|event| event.event_type)
    }

    pub(super) fn standing(&self) -> &'static str {
        match self.ledger {
            None => "none",
            Some(Status::Claimed) => "claimed",
            Some(Status::Done) => "done",
            Some(Status::InDoubt) => "in-doubt",
            Some(Status::Failed) => "failed",
        }
    }

    /// The letter as a snapshot keeps it.
    pub(super) fn letter(&self) -> Letter {
        let body = self.event.as_ref().map_or_else(|| "\u{7}no json".to_owned(), |event| event.body().to_string());
        let failure = self.failure.as_ref().map(|failure| FailureFacts {
            reason: failure.reason.into(),
            class: Some(Class::Rejected),
            fingerprint: failure.fingerprint.into(),
            attempts: failure.attempts,
            first_at: None,
            last_at: failure.last_min.map(minutes_ago),
            error: "it failed".into(),
        });
        let ledger = self.ledger.map(|status| LedgerFacts {
            status,
            attempts: 2,
            replay: self.replays,
            steps: Default::default(),
            history: Vec::new(),
            first_at: now(),
            updated_at: now(),
            doubted: status == Status::InDoubt,
        });
        let facts = Facts {
            shape: if failure.is_some() { Shape::Own } else { Shape::Redriven },
            consumer: Some("email".into()),
            claims: None,
            event: self.event.as_ref().map(PlainEvent::facts),
            unreadable: self.event.is_none().then(|| "not-json".into()),
            failure,
            replays: self.replays,
            claim_check: None,
            first_sent_at: minutes_ago(self.age_min),
        };
        let message = DeadLetter {
            message_id: self.message_id.clone(),
            body: body.into(),
            attributes: Default::default(),
            types: Default::default(),
            receive_count: 1,
            enqueued_at: minutes_ago(self.age_min),
            source: None,
            group: None,
        };
        Letter { message, facts, payload: None, ledger, edit: None }
    }
}

impl PlainEvent {
    fn body(&self) -> Value {
        let mut data = Map::new();
        data.extend(self.app.map(|app| ("app".to_owned(), json!(app))));
        data.extend(self.count.map(|count| ("count".to_owned(), json!(count))));
        data.extend(self.tags.as_ref().map(|tags| ("tags".to_owned(), json!(tags))));
        json!({"specversion": "1.0", "id": self.id, "type": self.event_type, "data": data})
    }

    fn facts(&self) -> EventFacts {
        EventFacts {
            id: self.id,
            r#type: self.event_type.into(),
            tenant: self.tenant.into(),
            subject: "s/1".into(),
            time: now(),
            correlation: "c".into(),
            causation: None,
            first_published: now(),
            sequence: self.sequence,
        }
    }
}

/// A condition.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Reason(&'static str),
    Attempts(u32),
    HasAttempts,
    App(&'static str),
    NoApp(&'static str),
    Count(i64),
    Tag(&'static str),
    Tenant(&'static str),
    TypeStarts(&'static str),
    Sequence(u64),
    Standing(&'static str),
    Replays(u32),
    Older(i64),
    Readable,
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

fn condition() -> BoxedStrategy<Condition> {
    let leaf = prop_oneof![
        select(&REASONS[..]).prop_map(Condition::Reason),
        (0..5_u32).prop_map(Condition::Attempts),
        Just(Condition::HasAttempts),
        select(&APPS[..]).prop_map(Condition::App),
        select(&APPS[..]).prop_map(Condition::NoApp),
        (0..4_i64).prop_map(Condition::Count),
        select(&TAGS[..]).prop_map(Condition::Tag),
        select(&TENANTS[..]).prop_map(Condition::Tenant),
        select(&["submission.", "app."][..]).prop_map(Condition::TypeStarts),
        (1..4_u64).prop_map(Condition::Sequence),
        select(&["none", "claimed", "done", "in-doubt", "failed"][..]).prop_map(Condition::Standing),
        (0..3_u32).prop_map(Condition::Replays),
        (minutes()).prop_map(Condition::Older),
        Just(Condition::Readable),
    ];
    let nested = leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(one.into())),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Condition::And(one.into(), other.into())),
            (inner.clone(), inner).prop_map(|(one, other)| Condition::Or(one.into(), other.into())),
        ]
    });
    nested.boxed()
}

impl Condition {
    /// As it is typed.
    fn typed(&self) -> String {
        match self {
            Self::Reason(reason) => format!("failure.reason == {reason:?}"),
            Self::Attempts(attempts) => format!("failure.attempts > {attempts}"),
            Self::HasAttempts => "has(failure.attempts)".into(),
            Self::App(app) => format!("data.app == '{app}'"),
            Self::NoApp(app) => format!("data[\"app\"] != {app:?}"),
            Self::Count(count) => format!("data.count >= {count}"),
            Self::Tag(tag) => format!("data.tags.exists(tag, tag == {})", json!(tag)),
            Self::Tenant(tenant) => format!("envelope.tenantid == {tenant:?}"),
            Self::TypeStarts(start) => format!("envelope.type.startsWith({start:?})"),
            Self::Sequence(sequence) => format!("envelope.sequence == {sequence}"),
            Self::Standing(standing) => format!("ledger.status == {standing:?}"),
            Self::Replays(replays) => format!("message.replays < {replays}"),
            Self::Older(minutes) => format!("message.age_s > {}", minutes * 60),
            Self::Readable => "!has(message.unreadable)".into(),
            Self::Not(one) => format!("!({})", one.typed()),
            Self::And(one, other) => format!("({}) && ({})", one.typed(), other.typed()),
            Self::Or(one, other) => format!("({}) || ({})", one.typed(), other.typed()),
        }
    }

    /// Yes or no, or `None` when the letter lacks what it would take.
    fn says(&self, letter: &Plain) -> Option<bool> {
        let (event, failure) = (letter.event.as_ref(), letter.failure.as_ref());
        match self {
            Self::Reason(reason) => Some(failure?.reason == *reason),
            Self::Attempts(attempts) => Some(failure?.attempts? > *attempts),
            Self::HasAttempts => Some(failure.and_then(|failure| failure.attempts).is_some()),
            Self::App(app) => Some(event?.app? == *app),
            Self::NoApp(app) => Some(event?.app? != *app),
            Self::Count(count) => Some(event?.count? >= *count),
            Self::Tag(tag) => Some(event?.tags.as_ref()?.contains(tag)),
            Self::Tenant(tenant) => Some(event?.tenant == *tenant),
            Self::TypeStarts(start) => Some(event?.event_type.starts_with(start)),
            Self::Sequence(sequence) => Some(event?.sequence? == *sequence),
            Self::Standing(standing) => Some(letter.standing() == *standing),
            Self::Replays(replays) => Some(letter.replays < *replays),
            Self::Older(minutes) => Some(letter.age_min > *minutes),
            Self::Readable => Some(event.is_some()),
            Self::Not(one) => one.says(letter).map(|yes| !yes),
            Self::And(one, other) => match (one.says(letter), other.says(letter)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(one, other) => match (one.says(letter), other.says(letter)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

/// A selection, as the model sees it.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    condition: Option<Condition>,
    /// A type, and whether it is meant in all versions.
    event_type: Option<(&'static str, bool)>,
    tenant: Option<&'static str>,
    since_min: Option<i64>,
    until_min: Option<i64>,
    reason: Option<&'static str>,
    group: Option<&'static str>,
    ids: Vec<u64>,
    message_ids: Vec<usize>,
    typed_as_moments: bool,
}

/// Any selection; most flags aren't given most of the time.
pub(super) fn choice() -> impl Strategy<Value = Choice> {
    let types = prop_oneof![
        select(&TYPES[..]).prop_map(|one| (one, false)),
        select(&["submission.created", "app.assigned"][..]).prop_map(|all| (all, true)),
    ];
    let flags = (
        weighted(0.7, condition()),
        weighted(0.2, types),
        weighted(0.2, select(&TENANTS[..])),
        weighted(0.2, minutes()),
        weighted(0.2, minutes()),
        weighted(0.2, select(&REASONS[..])),
        weighted(0.3, select(&GROUPS[..])),
    );
    let ids = prop_oneof![4 => Just((Vec::new(), Vec::new())), 1 => (vec(0..6_u64, 0..3), vec(0..20_usize, 0..3))];
    (flags, ids, any::<bool>()).prop_map(
        |(
            (condition, event_type, tenant, since_min, until_min, reason, group),
            (ids, message_ids),
            typed_as_moments,
        )| {
            Choice {
                condition,
                event_type,
                tenant,
                since_min,
                until_min,
                reason,
                group,
                ids,
                message_ids,
                typed_as_moments,
            }
        },
    )
}

impl Choice {
    pub(super) fn selection(&self) -> Selection {
        let time = |minutes: i64| match self.typed_as_moments {
            true => minutes_ago(minutes).to_string(),
            false => format!("{minutes}m"),
        };
        let ids = self.ids.iter().map(|id| event_id(*id).to_string());
        Selection {
            condition: self.condition.as_ref().map(Condition::typed),
            event_type: self.event_type.map(|(event_type, _)| event_type.to_owned()),
            tenant: self.tenant.map(str::to_owned),
            since: self.since_min.map(time),
            until: self.until_min.map(time),
            reason: self.reason.map(str::to_owned),
            group: self.group.map(str::to_owned),
            ids: ids.chain(self.message_ids.iter().map(|place| format!("m-{place:03}"))).collect(),
        }
    }

    /// The selection as arguments.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Selection { condition, event_type, tenant, since, until, reason, group, ids } = self.selection();
        let flags = [
            ("--where", condition),
            ("--type", event_type),
            ("--tenant", tenant),
            ("--since", since),
            ("--until", until),
            ("--reason", reason),
            ("--group", group),
        ];
        let flags = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        flags.chain(ids.into_iter().map(|id| ("--id", id))).map(|(flag, value)| format!("{flag}={value}")).collect()
    }

    pub(super) fn wants(&self, letter: &Plain) -> bool {
        let event = letter.event.as_ref();
        let failed_min = letter.failure.as_ref().and_then(|failure| failure.last_min).unwrap_or(letter.age_min);
        let has_id = event.is_some_and(|event| self.ids.iter().any(|id| event_id(*id) == event.id))
            || self.message_ids.iter().any(|place| format!("m-{place:03}") == letter.message_id);
        let is_of_type = |(wanted, all): (&str, bool)| {
            event.is_some_and(|event| match all {
                true => ["v1", "v2", "v10"].iter().any(|version| event.event_type == format!("{wanted}.{version}")),
                false => event.event_type == wanted,
            })
        };
        self.condition.as_ref().is_none_or(|condition| condition.says(letter) == Some(true))
            && self.event_type.is_none_or(is_of_type)
            && self.tenant.is_none_or(|tenant| event.is_some_and(|event| event.tenant == tenant))
            && self.since_min.is_none_or(|since| failed_min <= since)
            && self.until_min.is_none_or(|until| failed_min > until)
            && self.reason.is_none_or(|reason| letter.failure.as_ref().is_some_and(|failure| failure.reason == reason))
            // All groups are named in full here, and `bad`, which others begin with, is one itself.
            && self.group.is_none_or(|group| letter.fingerprint() == group)
            && ((self.ids.is_empty() && self.message_ids.is_empty()) || has_id)
    }
}
