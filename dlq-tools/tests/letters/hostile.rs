//! Dead letters hold whatever somebody put there.

use futures::FutureExt as _;
use proptest::{collection::btree_map, prelude::*};
use sendoff_consumers::{DeadLetterKind, DeadLetterQueue};
use sendoff_dlq_tools::letter::{decode, original, read, restore};

use super::{Bodies, letter, queue_of};

fn queues() -> [DeadLetterQueue; 5] {
    [
        queue_of("q", DeadLetterKind::Consumer("q".into())),
        queue_of("q", DeadLetterKind::Undelivered("q".into())),
        queue_of("q", DeadLetterKind::Reaction("q".into())),
        queue_of("q", DeadLetterKind::Quarantine("q".into())),
        queue_of("q", DeadLetterKind::Foreign),
    ]
}

const SAMPLES: [&str; 6] = [
    include_str!("../samples/own.json"),
    include_str!("../samples/own-put-aside.json"),
    include_str!("../samples/undelivered-notification.json"),
    include_str!("../samples/lambda-async.json"),
    include_str!("../samples/lambda-destination.json"),
    include_str!("../samples/stream-pointer.json"),
];

/// A body that nearly is one of the known shapes: some of its bytes are others, or it is cut.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (0..SAMPLES.len(), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(which, changes, cut, is_cut)| {
            let sample: serde_json::Value = serde_json::from_str(SAMPLES[which]).unwrap();
            let mut body = sample["message"]["body"].as_str().unwrap().as_bytes().to_vec();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if is_cut {
                body.truncate(cut.index(body.len()));
            }
            body
        },
    )
}

fn attributes() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    let failure = || {
        let sample: serde_json::Value = serde_json::from_str(SAMPLES[0]).unwrap();
        sample["message"]["attributes"]["failure"].as_str().unwrap().to_owned()
    };
    let name = prop_oneof![
        Just("failure".to_owned()),
        Just("replay".to_owned()),
        Just("ErrorCode".to_owned()),
        Just("RequestID".to_owned()),
        Just("ErrorMessage".to_owned()),
        any::<String>()
    ];
    let value = prop_oneof![any::<String>(), Just(failure()), Just("4294967296".to_owned()), Just("{}".to_owned())];
    btree_map(name, value, 0..6)
}

proptest! {
    #[test]
    fn no_letter_makes_it_panic(
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), nearly()],
        attributes in attributes(),
        source in any::<Option<String>>(),
    ) {
        for queue in queues() {
            let mut message = letter("m", body.clone(), attributes.clone());
            message.source.clone_from(&source);
            let facts = decode(&message, &queue);
            prop_assert_eq!(facts.event.is_none(), facts.unreadable.is_some());
            let letter = read(message, &queue, &Bodies::default()).now_or_never().unwrap();
            prop_assert_eq!(letter.facts.shape, facts.shape);
            if let Some(failure) = &letter.facts.failure {
                prop_assert!(!failure.reason.chars().any(char::is_control));
                prop_assert!(!failure.error.chars().any(char::is_control));
            }
            let original = original(&letter.message, &letter.facts, letter.payload.as_ref());
            let restored = restore(&letter.message, &queue, &Bodies::default()).now_or_never().unwrap();
            prop_assert_eq!(&restored, &original);
            if let Ok(original) = original {
                prop_assert!(!original.attributes.contains_key("failure"));
            }
        }
    }

    #[test]
    fn what_was_put_aside_with_its_failure_comes_out_as_it_was(
        body in prop::collection::vec(any::<u8>(), 0..300),
        mut all in btree_map("[a-z]{1,8}", any::<String>(), 0..12),
        folded in any::<bool>(),
    ) {
        all.remove("failure");
        let sample: serde_json::Value = serde_json::from_str(SAMPLES[0]).unwrap();
        let told = sample["message"]["attributes"]["failure"].as_str().unwrap();
        let mut told: serde_json::Value = serde_json::from_str(told).unwrap();
        let mut beside = all.clone();
        if folded {
            told["attributes"] = serde_json::to_value(std::mem::take(&mut beside)).unwrap();
        }
        beside.insert("failure".into(), told.to_string());
        let message = letter("m", body.clone(), beside);
        let queue = queue_of("email-dlq", DeadLetterKind::Consumer("email".into()));
        let letter = read(message, &queue, &Bodies::default()).now_or_never().unwrap();
        let sent = original(&letter.message, &letter.facts, letter.payload.as_ref()).unwrap();
        prop_assert_eq!((sent.body.to_vec(), sent.attributes), (body, all));
    }
}
