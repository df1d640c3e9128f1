//! A golden sample of each shape: what is known of it, and what is sent when it is replayed.

use std::{fs, path::PathBuf};

use sendoff_consumers::{DeadLetter, DeadLetterKind};
use sendoff_dlq_tools::letter::{decode, original, read};
use sendoff_events::Blobs as _;
use serde_json::{Value, json};

use super::{Bodies, letter, queue_of};

fn samples() -> Vec<(PathBuf, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

fn kind(text: &str) -> DeadLetterKind {
    match text.split_once(':') {
        Some(("consumer", name)) => DeadLetterKind::Consumer(name.into()),
        Some(("undelivered", name)) => DeadLetterKind::Undelivered(name.into()),
        Some(("reaction", name)) => DeadLetterKind::Reaction(name.into()),
        _ => DeadLetterKind::Foreign,
    }
}

fn message(sample: &Value) -> DeadLetter {
    let text = |name: &str| sample[name].as_str().map(str::to_owned);
    let map = |name: &str| serde_json::from_value(sample[name].clone()).unwrap();
    DeadLetter {
        types: serde_json::from_value(sample["types"].clone()).unwrap(),
        enqueued_at: text("enqueued_at").unwrap().parse().unwrap(),
        source: text("source"),
        group: text("group"),
        ..letter(&text("message_id").unwrap(), text("body").unwrap(), map("attributes"))
    }
}

/// The envelope that all samples are about.
fn envelope(samples: &[(PathBuf, Value)]) -> String {
    let own = samples.iter().find(|(path, _)| path.ends_with("own.json")).unwrap();
    own.1["message"]["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_shape_says_what_it_is_about_and_what_is_sent_again() {
    let samples = samples();
    let envelope = envelope(&samples);
    let blobs = Bodies::default();
    for key in ["dead-letters/0123abcd", "2026/11/24/019ab4c2"] {
        blobs.put(&key.parse().unwrap(), envelope.clone().into()).await.unwrap();
    }
    let mut differing = Vec::new();
    for (path, mut sample) in samples {
        let queue = queue_of(sample["queue"].as_str().unwrap(), kind(sample["kind"].as_str().unwrap()));
        let message = message(&sample["message"]);
        let letter = read(message.clone(), &queue, &blobs).await;
        let original = match original(&message, &letter.facts, letter.payload.as_ref()) {
            Err(why) => json!({ "refused": why }),
            Ok(original) => json!({
                "body": if original.body == envelope { "the envelope".into() } else { String::from_utf8_lossy(&original.body) },
                "as_it_stands": letter.stands_as(&original),
                "attributes": original.attributes, "types": original.types, "group": original.group,
            }),
        };
        let expected = sample.clone();
        (sample["facts"], sample["original"]) = (serde_json::to_value(&letter.facts).unwrap(), original);
        if expected != sample {
            let found = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(path.file_name().unwrap());
            fs::write(&found, serde_json::to_string_pretty(&sample).unwrap() + "\n").unwrap();
            differing.push(format!("diff {} {}", path.display(), found.display()));
        }
        if letter.facts.claim_check.is_none() {
            assert_eq!(decode(&message, &queue), letter.facts, "{}: nothing was fetched", path.display());
        }
    }
    assert!(differing.is_empty(), "letters aren't what they were:\n{}", differing.join("\n"));
}
