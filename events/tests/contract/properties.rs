//! Any bytes in never panic; what we write we read back.

use proptest::{collection::vec, option, prelude::*, sample::Index};
use sendoff_events::{
    AnyEnvelope, AppAssigned, AppUnassigned, BlobKey, Envelope, Event, EventId, EventType, Header, MAX_HOPS, Pointer,
    SubmissionCreated, SubmissionUpdated, Timestamp, TraceParent, UserId, catalogue,
};

const NAME: &str = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

fn name<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    NAME.prop_map(|text| text.parse().unwrap())
}

fn id() -> impl Strategy<Value = EventId> {
    any::<[u8; 16]>().prop_map(EventId::from_bytes)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    // 1970 to 9999.
    (0..253_402_200_000_000_i64).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

fn traceparent() -> impl Strategy<Value = TraceParent> {
    (1_u128.., 1_u64.., any::<u8>()).prop_map(|(t, s, f)| format!("00-{t:032x}-{s:016x}-{f:02x}").parse().unwrap())
}

fn header<E: Event>() -> impl Strategy<Value = Header> {
    let who = ("\\PC{1,40}", "\\PC{1,40}", name(), "\\PC{1,40}");
    let chain = (id(), option::of(id()), option::of(traceparent()), option::of(any::<u64>()), 0..=MAX_HOPS);
    (who, chain, moment(), moment()).prop_map(|(who, chain, time, first_published)| {
        let (source, subject, tenant, correlation) = who;
        let (id, causation, traceparent, sequence, hops) = chain;
        let event_type = EventType::of::<E>();
        Header {
            id,
            source,
            event_type,
            subject,
            time,
            tenant,
            correlation,
            causation,
            traceparent,
            first_published,
            sequence,
            hops,
        }
    })
}

fn assigned() -> impl Strategy<Value = AppAssigned> {
    (name(), name(), name()).prop_map(|(app_id, user_id, assigned_by)| AppAssigned { app_id, user_id, assigned_by })
}

fn unassigned() -> impl Strategy<Value = AppUnassigned> {
    (name(), name(), name()).prop_map(|(app_id, user_id, unassigned_by)| AppUnassigned {
        app_id,
        user_id,
        unassigned_by,
    })
}

fn created() -> impl Strategy<Value = SubmissionCreated> {
    (name(), name(), name(), any::<u64>()).prop_map(|(app_id, submission_id, author_id, revision)| SubmissionCreated {
        app_id,
        submission_id,
        author_id,
        revision,
    })
}

fn updated() -> impl Strategy<Value = SubmissionUpdated> {
    (name(), name(), name(), any::<u64>(), vec(any::<String>(), 0..5)).prop_map(
        |(app_id, submission_id, editor_id, revision, changed_fields)| SubmissionUpdated {
            app_id,
            submission_id,
            editor_id,
            revision,
            changed_fields,
        },
    )
}

fn read_back<E: Event + Clone + PartialEq + std::fmt::Debug>(envelope: &Envelope<E>) -> Result<(), TestCaseError> {
    let body = envelope.encode().unwrap().into_body();
    let read = AnyEnvelope::decode(&body).and_then(AnyEnvelope::into_event::<E>);
    prop_assert_eq!(&read.unwrap(), envelope);
    Ok(())
}

/// Reads a body as every event there is.
fn read_as_everything(body: &[u8]) {
    for entry in catalogue::all() {
        if let Err(refusal) = AnyEnvelope::decode(body).and_then(entry.normalise) {
            assert!(refusal.to_string().len() < 1000);
        }
    }
}

/// One change to a body: bytes replaced, put in, cut out or repeated.
fn mutate(body: &mut Vec<u8>, at: Index, length: usize, new: &[u8], how: u8) {
    let start = at.index(body.len() + 1);
    let end = (start + length).min(body.len());
    let replacement = match how % 4 {
        0 => new.to_vec(),
        1 => [new, &body[start..end]].concat(),
        2 => Vec::new(),
        _ => body[start..end].repeat(2),
    };
    body.splice(start..end, replacement);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_we_write_we_read_back(
        a in (header::<AppAssigned>(), assigned()),
        u in (header::<AppUnassigned>(), unassigned()),
        c in (header::<SubmissionCreated>(), created()),
        s in (header::<SubmissionUpdated>(), updated()),
    ) {
        read_back(&Envelope { header: a.0, data: a.1 })?;
        read_back(&Envelope { header: u.0, data: u.1 })?;
        read_back(&Envelope { header: c.0, data: c.1 })?;
        read_back(&Envelope { header: s.0, data: s.1 })?;
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(body in vec(any::<u8>(), 0..500)) {
        read_as_everything(&body);
        let _ = Pointer::parse(&body, &["blobs"]);
    }

    #[test]
    fn anything_that_looks_like_json_is_read_without_a_panic(body in r#"[\[\]{}",:0-9a-z\\ ]{0,200}"#) {
        read_as_everything(body.as_bytes());
        read_as_everything(format!("{{{body}}}").as_bytes());
        let _ = Pointer::parse(format!("[{body}]").as_bytes(), &["blobs"]);
    }

    #[test]
    fn a_mutated_envelope_is_read_without_a_panic(
        which in any::<Index>(),
        changes in vec((any::<Index>(), 0..20_usize, vec(any::<u8>(), 0..8), any::<u8>()), 1..4),
    ) {
        let entries = catalogue::all();
        let samples: Vec<_> = entries.iter().flat_map(|entry| entry.samples()).collect();
        let mut body = which.get(&samples).as_bytes().to_vec();
        for (at, length, new, how) in changes {
            mutate(&mut body, at, length, &new, how);
        }
        read_as_everything(&body);
    }

    #[test]
    fn any_text_is_parsed_without_a_panic(text in any::<String>()) {
        let _ = text.parse::<UserId>();
        let _ = text.parse::<EventId>();
        let _ = text.parse::<EventType>();
        let _ = text.parse::<TraceParent>();
        let _ = text.parse::<BlobKey>();
    }

    #[test]
    fn what_is_parsed_is_printed_as_it_was(
        event_type in r"[a-z][a-z0-9_]{0,8}(\.[a-z][a-z0-9_]{0,8}){0,3}\.v[1-9][0-9]{0,8}",
        id in id(),
        name in NAME,
        key in r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,9}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,9}){0,3}",
        parent in traceparent(),
    ) {
        prop_assert_eq!(event_type.parse::<EventType>().unwrap().to_string(), event_type);
        prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        prop_assert_eq!(name.parse::<UserId>().unwrap().to_string(), name);
        prop_assert_eq!(parent.to_string().parse::<TraceParent>().unwrap(), parent);
        let pointer = Pointer { bucket: "blobs".into(), key: key.parse().unwrap() };
        prop_assert_eq!(Pointer::parse(pointer.to_body().as_bytes(), &["blobs"]).unwrap(), Some(pointer));
    }
}
