//! An event as an item of the outbox.

use bytes::Bytes;
use sendoff_events::{BlobError, Blobs, EventId, Outgoing, Pointer, TenantId, Timestamp};

use crate::{
    item::{Attribute, Damage, Item},
    tables::records::{COMMITTED_AT, EVENT, PENDING, PK, SHARDS, SK},
};

const TYPE: &str = "type";
pub(crate) const TENANT: &str = "tenant";
const SUBJECT: &str = "subject";
const BODY: &str = "body";
/// On an event whose body is put aside, so that a pointer stands in its place: the body's size.
const PAYLOAD_BYTES: &str = "payload_bytes";
/// More bytes than any event has: a wrong blob must not fill the memory.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The keys of an event's item.
pub(crate) fn place(id: EventId) -> Item {
    Item::default().with_text(PK, format!("{EVENT}{id}")).with_text(SK, "event")
}

/// The partition of the index that the event waits in. The last bits of an id are random.
fn shard(id: EventId) -> String {
    (id.as_bytes()[15] % SHARDS).to_string()
}

/// All partitions of the index.
pub(super) fn shards() -> impl Iterator<Item = String> {
    (0..SHARDS).map(|shard| shard.to_string())
}

/// The item of an event that was just committed. `pointer` stands in the place of a body that was put aside.
pub(crate) fn item(event: &Outgoing, pointer: Option<&Pointer>, committed_at: Timestamp) -> Item {
    let item = place(event.id())
        .with_text(TYPE, event.event_type().to_string())
        .with_text(TENANT, event.tenant().as_str())
        .with_text(SUBJECT, event.subject())
        .with_text(PENDING, shard(event.id()))
        .with_moment(COMMITTED_AT, committed_at);
    match (pointer, std::str::from_utf8(event.body())) {
        (Some(pointer), _) => item.with_text(BODY, pointer.to_body()).with_number(PAYLOAD_BYTES, event.body().len()),
        (None, Ok(text)) => item.with_text(BODY, text),
        (None, Err(_)) => item.with(BODY, Attribute::B(event.body().to_vec())),
    }
}

/// The type in an event's item, as it was written, and when the event was committed: all that whoever looks at it needs, also where the
/// rest couldn't be published.
///
/// # Errors
///
/// [`Damage`] when one of them is missing.
pub(crate) fn type_and_commit(item: &Item) -> Result<(String, Timestamp), Damage> {
    Ok((item.text(TYPE)?.to_owned(), item.moment(COMMITTED_AT)?))
}

/// Whose the event in an item is; only the attribute [`TENANT`] of it is needed.
///
/// # Errors
///
/// [`Damage`] when it is missing, or is no tenant's name.
pub(crate) fn tenant(item: &Item) -> Result<TenantId, Damage> {
    item.parsed(TENANT)
}

/// An event as it stands in the outbox, or as the stream gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The event; its body may be a pointer.
    event: Outgoing,
    /// When it was committed.
    pub(crate) committed_at: Timestamp,
    /// Whether it isn't known to be published.
    pub(crate) is_pending: bool,
    is_aside: bool,
}

impl Stored {
    /// Whether this is an item of an event at all: the table holds other things too.
    pub(crate) fn is_one(item: &Item) -> bool {
        item.optional_text(PK).is_some_and(|pk| pk.starts_with(EVENT))
    }

    /// The event in an item.
    ///
    /// # Errors
    ///
    /// [`Damage`] when an attribute is missing, or isn't what it should be.
    pub(crate) fn of(item: &Item) -> Result<Self, Damage> {
        let body = match item.get(BODY) {
            Some(Attribute::S(text)) => Bytes::from(text.clone()),
            Some(Attribute::B(bytes)) => Bytes::from(bytes.clone()),
            _ => return Err(Damage::new(BODY, "is missing")),
        };
        let (tenant, subject) = (tenant(item)?, item.text(SUBJECT)?.to_owned());
        let event = Outgoing::stored(id_of(item)?, item.parsed(TYPE)?, tenant, subject, body);
        Ok(Self {
            event,
            committed_at: item.moment(COMMITTED_AT)?,
            is_pending: item.has(PENDING),
            is_aside: item.has(PAYLOAD_BYTES),
        })
    }

    /// The event's id.
    pub(crate) fn id(&self) -> EventId {
        self.event.id()
    }

    /// Whether it is the same event as this one. A body that is put aside stands under the event's id, and isn't fetched to
    /// be compared.
    pub(crate) fn is(&self, event: &Outgoing) -> bool {
        let same_body = self.is_aside || self.event.body() == event.body();
        same_body && self.event.event_type() == event.event_type() && self.event.tenant() == event.tenant()
    }

    /// The event, with its body fetched if it was put aside.
    ///
    /// A body that is gone leaves its pointer in the event: its consumers will dead-letter it, naming the blob, while an event
    /// that is held back is seen by nobody.
    ///
    /// # Errors
    ///
    /// [`BlobError::Unavailable`] when the blobs can't be reached.
    pub(crate) async fn into_outgoing(self, blobs: &dyn Blobs) -> Result<Outgoing, BlobError> {
        let Self { event, is_aside, .. } = self;
        if !is_aside {
            return Ok(event);
        }
        match Pointer::parse(event.body(), &[blobs.bucket()]) {
            Ok(Some(pointer)) => match blobs.get(&pointer.key, LARGEST).await {
                Ok(body) => return Ok(event.with_body(body)),
                Err(error @ BlobError::Unavailable(_)) => return Err(error),
                Err(error) => tracing::error!(event.id = %event.id(), %error, "the body of an event is gone"),
            },
            Ok(None) => {
                tracing::error!(event.id = %event.id(), "the body of an event should be a pointer, and isn't one")
            }
            Err(error) => tracing::error!(event.id = %event.id(), %error, "the body of an event can't be fetched"),
        }
        Ok(event)
    }
}

/// The id in the keys of an event's item.
pub(super) fn id_of(item: &Item) -> Result<EventId, Damage> {
    let id = item.text(PK)?.strip_prefix(EVENT).ok_or_else(|| Damage::new(PK, "isn't that of an event"))?;
    id.parse().map_err(|error: sendoff_events::IdError| Damage::new(PK, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &'static [u8]) -> Outgoing {
        let (event_type, tenant) = ("app.assigned.v1".parse().unwrap(), "acme".parse().unwrap());
        Outgoing::stored(EventId::from_bytes([9; 16]), event_type, tenant, String::new(), Bytes::from_static(body))
    }

    fn at() -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_123).unwrap()
    }

    #[test]
    fn an_event_comes_back_as_it_was_committed_and_waits_in_one_of_the_partitions() {
        for body in [b"{\"a\":\"\\u0000\"}".as_slice(), b"", b"\xff\0"] {
            let item = item(&event(body), None, at());
            assert!(Stored::is_one(&item));
            let stored = Stored::of(&item).unwrap();
            assert_eq!((stored.id(), stored.committed_at, stored.is_pending), (event(body).id(), at(), true));
            assert!(stored.is(&event(body)) && !stored.is(&event(b"another")));
            assert_eq!(stored.event, event(body));
            assert!(shards().any(|shard| item.optional_text(PENDING) == Some(&shard)));
        }
    }

    #[test]
    fn a_body_that_was_put_aside_leaves_a_pointer() {
        let pointer = Pointer { bucket: "blobs".into(), key: "events/x".parse().unwrap() };
        let stored = Stored::of(&item(&event(b"large"), Some(&pointer), at())).unwrap();
        assert_eq!(*stored.event.body(), pointer.to_body());
        assert!(stored.is_aside && stored.is(&event(b"large")));
    }

    #[test]
    fn an_item_that_is_no_event_is_damage_and_never_a_panic() {
        let good = item(&event(b"{}"), None, at());
        let bad = [
            good.clone().with_text(PK, "e#nothing"),
            good.clone().with_text(PK, "r#acme#x"),
            good.clone().with_text("type", "?"),
            good.clone().with_number("body", 1),
            Item::default(),
        ];
        for item in bad {
            assert!(Stored::of(&item).is_err(), "{item:?}");
        }
    }

    #[test]
    fn a_type_that_does_not_read_as_one_is_told_as_it_stands() {
        let strange = item(&event(b"{}"), None, at()).with_text(TYPE, "App.Archived.v0");
        assert_eq!(type_and_commit(&strange).unwrap(), ("App.Archived.v0".to_owned(), at()));
        assert!(Stored::of(&strange).is_err() && type_and_commit(&Item::default()).is_err());
    }
}
