//! Request keys: which requests were answered, and how.

use std::time::Duration;

use sendoff_events::{TenantId, Timestamp};
use sendoff_producers::{Answer, RequestKey};
use sha2::{Digest as _, Sha256};

use crate::{
    item::{Attribute, Damage, Item, hex},
    tables::records::{EXPIRES, PK, REQUEST, SK},
};

/// How long an answer is kept, like that of the embedded system: longer than any client repeats a request.
const KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

const FINGERPRINT: &str = "fingerprint";
const STATUS: &str = "status";
const LOCATION: &str = "location";
const ETAG: &str = "etag";
const EVENTS: &str = "events";
const BODY: &str = "body";

/// What the table says about a request key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// It was never used, or so long ago that it may be used again.
    Never,
    /// It was used for this request, which got this answer.
    Before(Answer),
    /// It was used for another request.
    Otherwise,
}

/// The keys of a request key's item. A key may be any text of any length, so its hash stands in the place of it.
pub(crate) fn place(tenant: &TenantId, key: &str) -> Item {
    let pk = format!("{REQUEST}{tenant}#{}", hex(&Sha256::digest(key)));
    Item::default().with_text(PK, pk).with_text(SK, "request")
}

/// The item that remembers the answer to a request. The body stands by itself: within JSON it would grow.
pub(super) fn item(tenant: &TenantId, request: &RequestKey, now: Timestamp) -> Item {
    let Answer { status, location, etag, events, body } = &request.answer;
    let events: Vec<String> = events.iter().map(ToString::to_string).collect();
    let mut item = place(tenant, &request.key)
        .with(FINGERPRINT, Attribute::B(request.fingerprint.to_vec()))
        .with_number(STATUS, status)
        .with_text(EVENTS, events.join(" "))
        .with_text(BODY, body)
        .with_expiry(EXPIRES, now.checked_add(KEPT).unwrap_or(Timestamp::MAX));
    for (name, header) in [(LOCATION, location), (ETAG, etag)] {
        if let Some(header) = header {
            item = item.with_text(name, header);
        }
    }
    item
}

/// What a stored item says about a request with this fingerprint. DynamoDB deletes what has expired days later, so an
/// expired item may still be there.
pub(super) fn asked(item: Option<&Item>, fingerprint: &[u8; 32], now: Timestamp) -> Result<Asked, Damage> {
    let Some(item) = item else { return Ok(Asked::Never) };
    if item.number::<i64>(EXPIRES)? <= now.as_second() {
        return Ok(Asked::Never);
    }
    if item.get(FINGERPRINT) != Some(&Attribute::B(fingerprint.to_vec())) {
        return Ok(Asked::Otherwise);
    }
    let header = |name| item.optional_text(name).map(str::to_owned);
    let events = item
        .text(EVENTS)?
        .split_whitespace()
        .map(|id| id.parse().map_err(|error: sendoff_events::IdError| Damage::new(EVENTS, error.to_string())));
    Ok(Asked::Before(Answer {
        status: item.number(STATUS)?,
        location: header(LOCATION),
        etag: header(ETAG),
        events: events.collect::<Result<_, _>>()?,
        body: item.text(BODY)?.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use sendoff_events::EventId;

    use super::*;

    fn tenant() -> TenantId {
        "acme".parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn request(answer: Answer) -> RequestKey {
        RequestKey { key: "ü/漢 '\"%_\\".repeat(1000), fingerprint: [0xff; 32], answer }
    }

    #[test]
    fn the_whole_answer_comes_back() {
        let full = Answer {
            status: 202,
            location: Some("/v1/ü".into()),
            etag: Some(String::new()),
            events: vec![EventId::from_bytes([1; 16]), EventId::from_bytes([2; 16])],
            body: "{\"text\":\"漢 \u{0}\"}".into(),
        };
        let bare = Answer { status: 500, location: None, etag: None, events: vec![], body: String::new() };
        for answer in [full, bare] {
            let item = item(&tenant(), &request(answer.clone()), at(0));
            assert_eq!(asked(Some(&item), &[0xff; 32], at(1)), Ok(Asked::Before(answer)));
            assert_eq!(asked(Some(&item), &[0xfe; 32], at(1)), Ok(Asked::Otherwise));
        }
        assert_eq!(asked(None, &[0; 32], at(0)), Ok(Asked::Never));
    }

    #[test]
    fn a_key_is_kept_for_three_days_and_is_free_again_afterwards() {
        let answer = Answer { status: 200, location: None, etag: None, events: vec![], body: String::new() };
        let item = item(&tenant(), &request(answer.clone()), at(0));
        let day = 24 * 60 * 60;
        assert_eq!(asked(Some(&item), &[0xff; 32], at(3 * day - 1)), Ok(Asked::Before(answer)));
        assert_eq!(asked(Some(&item), &[0xff; 32], at(3 * day)), Ok(Asked::Never));
        assert_eq!(asked(Some(&item), &[0; 32], at(3 * day)), Ok(Asked::Never));
    }

    #[test]
    fn keys_that_look_alike_and_tenants_have_places_of_their_own() {
        let places: Vec<Item> = ["", "r", "R", "r "].iter().map(|key| place(&tenant(), key)).collect();
        for (n, one) in places.iter().enumerate() {
            assert!(places[n + 1..].iter().all(|other| other != one));
            assert_ne!(*one, place(&"other".parse().unwrap(), ""));
        }
    }
}
