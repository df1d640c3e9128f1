//! An inbox record as an item, in the attributes of AWS Lambda Powertools
//! (<https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/>) with ours beside them.
//!
//! | attribute | what a Powertools library makes of it |
//! |---|---|
//! | `status` | what is done is `COMPLETED`; everything else is `INPROGRESS` |
//! | `in_progress_expiration` | once it is over it takes over. Absent while a step is being sent, in doubt or failed: nobody may |
//! | `expiration` | from then on there is no record. Absent while it is claimed or in doubt |
//! | `data` | the result of what was done: `null` |
//! | `validation` | the hash of the payload |
//!
//! A record of which a step is in doubt stands in the index of doubts besides, by two attributes that no other one has.

use sendoff_consumers::{IdempotencyKey, InboxRecord, Status, StepState};
use sendoff_events::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    item::{Damage, Item, hex},
    tables::inbox::{DOUBT, DOUBT_SINCE, EXPIRATION, ID},
};

pub(super) const STATUS: &str = "status";
pub(super) const IN_PROGRESS_EXPIRATION: &str = "in_progress_expiration";
pub(super) const COMPLETED: &str = "COMPLETED";
pub(super) const INPROGRESS: &str = "INPROGRESS";
const DATA: &str = "data";
const VALIDATION: &str = "validation";

pub(super) const FENCE: &str = "fence";
pub(super) const REVISION: &str = "revision";
const STATE: &str = "state";
const LEASE_UNTIL: &str = "lease_until";
const ATTEMPTS: &str = "attempts";
const REPLAY: &str = "replay";
const STEPS: &str = "steps";
const HISTORY: &str = "history";
pub(super) const FIRST_AT: &str = "first_at";
pub(super) const UPDATED_AT: &str = "updated_at";
/// When it may be forgotten, to the millisecond; `expiration` knows seconds only.
const EXPIRES_AT: &str = "expires_at";
/// What an item of ours has or hasn't; every other attribute it has.
pub(super) const OPTIONAL: [&str; 8] =
    [STEPS, HISTORY, EXPIRES_AT, EXPIRATION, IN_PROGRESS_EXPIRATION, DOUBT, DOUBT_SINCE, DATA];
/// What all writes of a claim have in common.
pub(super) const SAME: [&str; 4] = [ID, FENCE, VALIDATION, FIRST_AT];

/// The key of a record's item.
pub(crate) fn place(key: &IdempotencyKey) -> Item {
    Item::default().with_text(ID, key.as_str())
}

/// Whether it is a record of ours: a Powertools library knows no fences.
pub(super) fn is_ours(item: &Item) -> bool {
    item.has(FENCE)
}

/// The item of a record.
pub(super) fn item(record: &InboxRecord) -> Result<Item, Damage> {
    let (state, status) = match record.status {
        Status::Claimed => ("claimed", INPROGRESS),
        Status::Done => ("done", COMPLETED),
        Status::InDoubt => ("in-doubt", INPROGRESS),
        Status::Failed => ("failed", INPROGRESS),
    };
    let mut item = place(&record.key)
        .with_text(STATUS, status)
        .with_text(VALIDATION, hex(&record.payload_hash))
        .with_number(FENCE, record.fence)
        .with_number(REVISION, record.revision)
        .with_text(STATE, state)
        .with_moment(LEASE_UNTIL, record.lease_until)
        .with_number(ATTEMPTS, record.attempts)
        .with_number(REPLAY, record.replay)
        .with_moment(FIRST_AT, record.first_at)
        .with_moment(UPDATED_AT, record.updated_at);
    if !record.steps.is_empty() {
        item = item.with_text(STEPS, json(STEPS, &record.steps)?);
    }
    if !record.history.is_empty() {
        item = item.with_text(HISTORY, json(HISTORY, &record.history)?);
    }
    if let Some(at) = record.expires_at {
        item = item.with_moment(EXPIRES_AT, at);
        if matches!(record.status, Status::Done | Status::Failed) {
            item = item.with_expiry(EXPIRATION, at);
        }
    }
    if record.status == Status::Claimed && record.steps.values().all(|step| step.state != StepState::Sending) {
        item = item.with_moment(IN_PROGRESS_EXPIRATION, record.lease_until);
    }
    if let Some(since) = in_doubt_since(record) {
        item = item.with_text(DOUBT, record.key.consumer()).with_moment(DOUBT_SINCE, since);
    }
    Ok(if record.status == Status::Done { item.with_text(DATA, "null") } else { item })
}

/// Since when a step has been in doubt, the longest. A step that is being sent isn't yet: most are done in a moment.
fn in_doubt_since(record: &InboxRecord) -> Option<Timestamp> {
    let doubts = record.steps.values().filter(|step| step.state == StepState::InDoubt);
    doubts.map(|step| step.at).min()
}

/// The record in an item of ours.
pub(super) fn record(key: &IdempotencyKey, item: &Item) -> Result<InboxRecord, Damage> {
    let status = match item.text(STATE)? {
        "claimed" => Status::Claimed,
        "done" => Status::Done,
        "in-doubt" => Status::InDoubt,
        "failed" => Status::Failed,
        other => return Err(Damage::new(STATE, format!("is `{other}`, which is no state"))),
    };
    Ok(InboxRecord {
        key: key.clone(),
        status,
        fence: item.number(FENCE)?,
        revision: item.number(REVISION)?,
        lease_until: item.moment(LEASE_UNTIL)?,
        attempts: item.number(ATTEMPTS)?,
        replay: item.number(REPLAY)?,
        payload_hash: payload_hash(item.text(VALIDATION)?)?,
        steps: parsed(item, STEPS)?,
        history: parsed(item, HISTORY)?,
        first_at: item.moment(FIRST_AT)?,
        updated_at: item.moment(UPDATED_AT)?,
        expires_at: item.optional_moment(EXPIRES_AT)?,
    })
}

fn json(name: &str, value: &impl Serialize) -> Result<String, Damage> {
    serde_json::to_string(value).map_err(|error| Damage::new(name, error.to_string()))
}

fn parsed<T: DeserializeOwned + Default>(item: &Item, name: &str) -> Result<T, Damage> {
    let Some(text) = item.optional_text(name) else { return Ok(T::default()) };
    serde_json::from_str(text).map_err(|error| Damage::new(name, error.to_string()))
}

fn payload_hash(text: &str) -> Result<[u8; 32], Damage> {
    let damaged = || Damage::new(VALIDATION, "isn't a SHA-256 in hexadecimal digits");
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(damaged());
    }
    for (n, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).map_err(|_| damaged())?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use sendoff_consumers::{Attempt, Class, Step, Steps};
    use sendoff_events::EventId;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
    }

    fn step(state: StepState) -> Step {
        Step {
            state,
            doubted: false,
            at: at(3),
            provider: None,
            provider_id: Some("SM1".into()),
            reason: None,
            mark: None,
            result: None,
        }
    }

    fn given(status: Status) -> InboxRecord {
        InboxRecord {
            key: IdempotencyKey::new("email", EventId::from_bytes([1; 16])),
            status,
            fence: (1 << 63) - 1,
            revision: u64::MAX >> 1,
            lease_until: at(60_001),
            attempts: u32::MAX,
            replay: 0,
            payload_hash: std::array::from_fn(|n| n as u8 * 8),
            steps: Steps::from([(String::new(), step(StepState::Done)), ("ü/漢".into(), step(StepState::Pending))]),
            history: vec![Attempt {
                at: at(1),
                class: Class::Retryable,
                reason: String::new(),
                fingerprint: "f".into(),
                error: "\"ü\"\n".into(),
            }],
            first_at: at(0),
            updated_at: at(1),
            expires_at: Some(at(1)),
        }
    }

    #[test]
    fn every_field_comes_back() {
        for status in [Status::Claimed, Status::Done, Status::InDoubt, Status::Failed] {
            let full = given(status);
            let bare = InboxRecord { steps: Steps::new(), history: vec![], expires_at: None, ..full.clone() };
            for given in [full, bare] {
                let item = item(&given).unwrap();
                assert!(is_ours(&item));
                assert_eq!(record(&given.key, &item).unwrap(), given);
            }
        }
    }

    #[test]
    fn what_is_claimed_or_in_doubt_never_expires_and_the_rest_not_a_moment_too_soon() {
        let expiration = |status| item(&given(status)).unwrap().optional_number::<i64>(EXPIRATION).unwrap();
        assert_eq!((expiration(Status::Claimed), expiration(Status::InDoubt)), (None, None));
        for status in [Status::Done, Status::Failed] {
            assert_eq!(expiration(status), Some(1_790_000_001), "rounded up");
            let even = InboxRecord { expires_at: Some(at(2000)), ..given(status) };
            assert_eq!(item(&even).unwrap().number(EXPIRATION), Ok(1_790_000_002_i64));
        }
    }

    #[test]
    fn a_powertools_library_runs_nothing_that_is_done_being_sent_in_doubt_or_failed() {
        let taken_over = |record: &InboxRecord| {
            let item = item(record).unwrap();
            (item.text(STATUS).unwrap().to_owned(), item.optional_number::<i64>(IN_PROGRESS_EXPIRATION).unwrap())
        };
        assert_eq!(taken_over(&given(Status::Claimed)), (INPROGRESS.into(), Some(1_790_000_060_001)));
        let mut sending = given(Status::Claimed);
        sending.steps.insert("x".into(), step(StepState::Sending));
        assert_eq!(taken_over(&sending), (INPROGRESS.into(), None));
        assert_eq!(taken_over(&given(Status::InDoubt)), (INPROGRESS.into(), None));
        assert_eq!(taken_over(&given(Status::Failed)), (INPROGRESS.into(), None));
        assert_eq!(taken_over(&given(Status::Done)), (COMPLETED.into(), None));
        assert_eq!(item(&given(Status::Done)).unwrap().optional_text("data"), Some("null"));
    }

    #[test]
    fn only_what_is_in_doubt_stands_in_the_index_of_doubts() {
        let doubted = |record: &InboxRecord| {
            let item = item(record).unwrap();
            (item.optional_text(DOUBT).map(str::to_owned), item.optional_number::<i64>(DOUBT_SINCE).unwrap())
        };
        for state in [StepState::Pending, StepState::Sending, StepState::Done, StepState::Skipped, StepState::Failed] {
            let steps = Steps::from([("x".into(), step(state))]);
            let record = InboxRecord { steps, ..given(Status::Claimed) };
            assert_eq!(doubted(&record), (None, None), "{state:?}");
        }
        let later = Step { at: at(9), ..step(StepState::InDoubt) };
        for status in [Status::Claimed, Status::InDoubt] {
            let steps =
                [("x".into(), later.clone()), ("y".into(), step(StepState::InDoubt)), ("z".into(), later.clone())];
            let record = InboxRecord { steps: Steps::from(steps), ..given(status) };
            assert_eq!(doubted(&record), (Some("email".into()), Some(1_790_000_000_003)), "{status:?}");
        }
    }

    #[test]
    fn a_damaged_item_is_an_error_and_never_a_panic() {
        let good = item(&given(Status::Done)).unwrap();
        let key = given(Status::Done).key;
        let bad = [
            good.clone().with_text("state", "gone"),
            good.clone().with_text("validation", "é".repeat(32)),
            good.clone().with_text("validation", "0"),
            good.clone().with_text("steps", "["),
            good.clone().with_number("attempts", u64::MAX),
            good.with_number("first_at", i64::MAX),
            Item::default(),
        ];
        for item in bad {
            assert!(record(&key, &item).is_err(), "{item:?}");
        }
    }
}
