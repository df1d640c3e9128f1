use serde_json::{Value, json};

use super::{Stocked, state::State};

const URL: &str = "http://stub/000000000000/bench-email-dlq";
const TARGET: &str = "http://stub/000000000000/bench-email";

fn state(letters: u64) -> State {
    State::new(letters, "http://stub".to_owned()).unwrap()
}

fn received(state: &mut State, hold: i64) -> Vec<Value> {
    let asked = json!({ "QueueUrl": URL, "MaxNumberOfMessages": 10, "VisibilityTimeout": hold });
    let answer: Value = serde_json::from_slice(&state.receive(asked.to_string().as_bytes()).unwrap()).unwrap();
    answer["Messages"].as_array().cloned().unwrap_or_default()
}

fn receipts(messages: &[Value], hold: Option<i64>) -> Vec<u8> {
    let entries: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(n, message)| {
            let mut entry = json!({ "Id": n.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
            if let Some(hold) = hold {
                entry["VisibilityTimeout"] = hold.into();
            }
            entry
        })
        .collect();
    json!({ "QueueUrl": URL, "Entries": entries }).to_string().into_bytes()
}

fn failed(answer: &[u8]) -> usize {
    serde_json::from_slice::<Value>(answer).unwrap()["Failed"].as_array().unwrap().len()
}

#[test]
fn a_letter_is_leased_to_one_at_a_time_and_comes_again_when_it_is_given_back() {
    let mut state = state(10);
    let first = received(&mut state, 300);
    assert_eq!((first.len(), state.seen().leased), (10, 10));
    assert!(received(&mut state, 300).is_empty());
    let answer = state.change_visibility(&receipts(&first, Some(0))).unwrap();
    assert_eq!((failed(&answer), state.seen().leased), (0, 0));
    let again = received(&mut state, 300);
    assert_eq!(again.len(), 10);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let stale = state.change_visibility(&receipts(&first, Some(0))).unwrap();
    assert_eq!(failed(&stale), 10);
}

#[test]
fn what_is_deleted_is_gone_and_an_old_receipt_deletes_nothing() {
    let mut state = state(10);
    let first = received(&mut state, 300);
    state.change_visibility(&receipts(&first, Some(0))).unwrap();
    let second = received(&mut state, 300);
    state.delete(&receipts(&first, None)).unwrap();
    assert_eq!(state.seen().left, 10);
    state.delete(&receipts(&second, None)).unwrap();
    assert_eq!((state.seen().left, state.seen().leased), (0, 0));
}

#[test]
fn what_is_sent_again_or_otherwise_than_as_a_replay_is_counted() {
    let mut state = state(10);
    let messages = received(&mut state, 300);
    let mut send = |attributes: Value| {
        let entry = json!({ "Id": "0", "MessageBody": messages[0]["Body"], "MessageAttributes": attributes });
        let call = json!({ "QueueUrl": TARGET, "Entries": [entry] });
        state.send(call.to_string().as_bytes()).unwrap();
        let seen = state.seen();
        (seen.sent, seen.twice, seen.wrong)
    };
    let replay = json!({ "replay": { "DataType": "String", "StringValue": "1" } });
    assert_eq!(send(replay.clone()), (1, 0, 0));
    assert_eq!(send(replay), (2, 1, 0));
    assert_eq!(send(messages[0]["MessageAttributes"].clone()), (3, 2, 1));
}

#[test]
fn the_ledger_knows_the_event_of_every_letter_and_no_other() {
    let mut state = state(2);
    let messages = received(&mut state, 300);
    let event = |message: &Value| {
        let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        json!({ "id": { "S": format!("{}/{}", Stocked::CONSUMER, body["id"].as_str().unwrap()) } })
    };
    let mut keys: Vec<Value> = messages.iter().map(event).collect();
    keys.push(json!({ "id": { "S": "email/01980000-0000-7000-8000-00000000ffff" } }));
    let call = json!({ "RequestItems": { "bench-inbox": { "Keys": keys } } });
    let answer = state.batch_get(call.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let items = answer["Responses"]["bench-inbox"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&keys[0]["id"], &keys[1]["id"]]);
}
