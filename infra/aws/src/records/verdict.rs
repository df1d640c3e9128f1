//! What to do after a transaction was refused.

use sendoff_events::Timestamp;
use sendoff_producers::{CommitError, Committed, Write};

use super::{
    attempt::Attempt,
    request::{self, Asked},
    standing::Standing,
    transaction::Reason,
};
use crate::{item::Damage, outbox};

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Try again: what stands there is known now, or somebody will be done in a moment.
    Again {
        /// Whom it has to wait for.
        busy: Option<String>,
    },
    /// The request was answered before, or was another one.
    Asked(Result<Committed, CommitError>),
    /// It can't be committed, unless its request was answered before: nothing says that DynamoDB tells of every condition
    /// that isn't met, and a request's answer comes before all else.
    Refused(CommitError),
}

impl Attempt<'_> {
    /// What to do, by the reasons, one for each action of [`Attempt::actions`]. What the next try stands on is corrected.
    pub(super) fn judge(&mut self, reasons: &[Reason], now: Timestamp) -> Result<Next, Damage> {
        let mut items = reasons;
        if let (Some(request), Some((first, rest))) = (&self.work.request, reasons.split_first()) {
            items = rest;
            if let Reason::Unmet(stored) = first {
                match request::asked(stored.as_ref(), &request.fingerprint, now)? {
                    Asked::Before(answer) => return Ok(Next::Asked(Ok(Committed::Repeated { answer }))),
                    Asked::Otherwise => {
                        return Ok(Next::Asked(Err(CommitError::RequestMismatch { key: request.key.clone() })));
                    }
                    // It has expired since.
                    Asked::Never => {}
                }
            }
        }
        if let Some(why) = reasons.iter().find_map(Reason::wrong) {
            return Ok(Next::Refused(CommitError::Invalid(format!("DynamoDB doesn't take it: {why}"))));
        }
        let busy = reasons.iter().find_map(Reason::busy).map(str::to_owned);
        let (of_writes, of_events) = items.split_at(self.writes.len().min(items.len()));
        let refusal = match self.judge_writes(of_writes)? {
            Some(conflict) => Some(conflict),
            None => self.judge_events(of_events)?,
        };
        Ok(match refusal {
            // Whoever is at an item may be a twin of this request, whose answer comes first.
            Some(refusal) if busy.is_none() => Next::Refused(refusal),
            _ => Next::Again { busy },
        })
    }

    /// The first conflict, if there is one.
    fn judge_writes(&mut self, reasons: &[Reason]) -> Result<Option<CommitError>, Damage> {
        let mut conflict = None;
        for (planned, reason) in self.writes.iter_mut().zip(reasons) {
            let Reason::Unmet(stored) = reason else { continue };
            let Write { key, expected, .. } = planned.write;
            let standing = Standing::of(stored.as_ref())?;
            if standing.fits(*expected) {
                planned.standing = standing;
            } else if conflict.is_none() {
                let found = standing.found();
                conflict = Some(CommitError::Conflict { key: key.clone(), expected: *expected, found });
            }
        }
        Ok(conflict)
    }

    fn judge_events(&mut self, reasons: &[Reason]) -> Result<Option<CommitError>, Damage> {
        for (leaving, reason) in self.events.iter_mut().zip(reasons) {
            let Reason::Unmet(stored) = reason else { continue };
            let stored = stored.as_ref().map(outbox::Stored::of).transpose()?;
            if stored.as_ref().is_some_and(|stored| !stored.is(leaving.event)) {
                let why = format!("another event was committed before under the id {}", leaving.event.id());
                return Ok(Some(CommitError::Invalid(why)));
            }
            leaving.is_there = stored.is_some();
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use sendoff_events::{EventId, Outgoing};
    use sendoff_producers::{Answer, Expected, RecordKey, RequestKey, UnitOfWork};
    use serde_json::json;

    use super::{
        super::{
            attempt::{Leaving, Planned},
            item::{Place, item},
        },
        *,
    };
    use crate::item::Item;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn write(id: &str, expected: Expected) -> Write {
        let key = RecordKey::new(&"acme".parse().unwrap(), "things", id);
        Write { key, expected, data: Some(json!(1)) }
    }

    fn event(body: &'static str) -> Outgoing {
        let (event_type, tenant) = ("app.assigned.v1".parse().unwrap(), "acme".parse().unwrap());
        Outgoing::stored(EventId::from_bytes([9; 16]), event_type, tenant, String::new(), body.into())
    }

    fn request(fingerprint: u8) -> RequestKey {
        let answer = Answer { status: 201, location: None, etag: None, events: vec![], body: "first".into() };
        RequestKey { key: "r".into(), fingerprint: [fingerprint; 32], answer }
    }

    fn work(request: Option<RequestKey>) -> UnitOfWork {
        UnitOfWork {
            tenant: "acme".parse().unwrap(),
            actor: "ada".into(),
            at: NOW,
            writes: vec![write("a", Expected::Absent), write("b", Expected::Version(3))],
            events: vec![event("{}")],
            may_be_silent: false,
            request,
        }
    }

    fn attempt(work: &UnitOfWork) -> Attempt<'_> {
        let writes = work.writes.iter().map(|write| Planned {
            write,
            place: Place::of(&write.key).unwrap(),
            data: Some("1".into()),
            standing: Standing::guess(write.expected).unwrap(),
        });
        let events = work.events.iter().map(|event| Leaving { event, pointer: None, is_there: false });
        Attempt { work, writes: writes.collect(), events: events.collect() }
    }

    /// What stands there: a record at this version, or what is left of one.
    fn stands(version: u64, data: Option<&str>) -> Reason {
        let place = Place::of(&write("a", Expected::Any).key).unwrap();
        Reason::Unmet(Some(item(&place, version, data, "ada", NOW)))
    }

    fn answered(fingerprint: u8) -> Reason {
        Reason::Unmet(Some(request::item(&"acme".parse().unwrap(), &request(fingerprint), NOW)))
    }

    fn busy() -> Reason {
        Reason::Busy("TransactionConflict: so it is".into())
    }

    #[test]
    fn a_repeated_request_is_seen_before_any_conflict() {
        let work = work(Some(request(1)));
        let reasons = [answered(1), stands(9, Some("1")), stands(9, Some("1")), busy()];
        let next = attempt(&work).judge(&reasons, NOW).unwrap();
        let expected = Committed::Repeated { answer: request(1).answer };
        assert!(matches!(next, Next::Asked(Ok(repeated)) if repeated == expected));
    }

    #[test]
    fn a_key_that_was_used_for_another_request_is_a_mismatch() {
        let work = work(Some(request(1)));
        let reasons = [answered(2), stands(9, Some("1")), Reason::Fine, Reason::Fine];
        let next = attempt(&work).judge(&reasons, NOW).unwrap();
        assert!(matches!(next, Next::Asked(Err(CommitError::RequestMismatch { key })) if key == "r"));
    }

    #[test]
    fn the_first_conflict_is_told_with_what_stands_there() {
        let work = work(None);
        let next = attempt(&work).judge(&[stands(9, Some("1")), stands(2, Some("1")), Reason::Fine], NOW).unwrap();
        let Next::Refused(CommitError::Conflict { key, expected, found }) = next else {
            panic!("a conflict: {next:?}")
        };
        assert_eq!((key.id.as_str(), expected, found), ("a", Expected::Absent, Some(9)));
        let next = attempt(&work).judge(&[stands(9, None), stands(3, None), Reason::Fine], NOW).unwrap();
        let Next::Refused(CommitError::Conflict { key, found, .. }) = next else { panic!("a conflict: {next:?}") };
        assert_eq!((key.id.as_str(), found), ("b", None), "a deleted record is absent, and has no version");
    }

    #[test]
    fn what_was_deleted_is_created_anew_on_its_version() {
        let work = work(None);
        let mut attempt = attempt(&work);
        let next = attempt.judge(&[stands(9, None), Reason::Fine, Reason::Fine], NOW).unwrap();
        assert!(matches!(next, Next::Again { busy: None }));
        assert_eq!((attempt.writes[0].standing, attempt.writes[0].version()), (Standing::Deleted(9), 10));
    }

    #[test]
    fn while_others_are_at_it_no_conflict_is_final_and_no_wrong_ground_is_taken() {
        // At the request key, at another record, at the event.
        for at in [0, 1, 3] {
            let work = work(Some(request(1)));
            let mut attempt = attempt(&work);
            let mut reasons = [Reason::Fine, Reason::Fine, stands(4, Some("1")), Reason::Fine];
            reasons[at] = busy();
            let next = attempt.judge(&reasons, NOW).unwrap();
            assert!(matches!(next, Next::Again { busy: Some(_) }), "{next:?}");
            assert_eq!(attempt.writes[1].standing, Standing::Live(3), "version 3 was expected, and 4 isn't");
        }
    }

    #[test]
    fn the_same_event_committed_before_is_left_as_it_is_and_another_one_is_refused() {
        let work = work(None);
        for (body, same) in [("{}", true), ("{\"other\":1}", false)] {
            let mut attempt = attempt(&work);
            let stored = Reason::Unmet(Some(outbox::item(&event(body), None, NOW)));
            let next = attempt.judge(&[Reason::Fine, Reason::Fine, stored], NOW).unwrap();
            assert_eq!(matches!(next, Next::Again { busy: None }), same, "{next:?}");
            assert_eq!(matches!(next, Next::Refused(CommitError::Invalid(_))), !same);
            assert_eq!(attempt.events[0].is_there, same);
        }
    }

    #[test]
    fn what_dynamodb_never_takes_is_invalid_whichever_part_it_is() {
        let work = work(Some(request(1)));
        for at in 0..4 {
            let mut reasons = [busy(), Reason::Fine, Reason::Fine, Reason::Fine];
            reasons[at] = Reason::Wrong("ValidationError: too large".into());
            let next = attempt(&work).judge(&reasons, NOW).unwrap();
            assert!(matches!(next, Next::Refused(CommitError::Invalid(why)) if why.contains("too large")));
        }
    }

    #[test]
    fn a_damaged_item_is_an_error() {
        let work = work(None);
        let damaged = Reason::Unmet(Some(Item::default().with_text("version", "x")));
        assert!(attempt(&work).judge(&[damaged, Reason::Fine, Reason::Fine], NOW).is_err());
    }
}
