//! Consistent reads of a DynamoDB table.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use sendoff_consumers::Backoff;
use sendoff_events::{Clock, Rng};

use crate::{Aws, CallError, Cause, item::Item};

/// How often what DynamoDB left out of an answer is asked for again.
const TRIES: u32 = 10;
const PAUSE: Backoff = Backoff { base: Duration::from_millis(25), cap: Duration::from_secs(1) };
/// How many items `BatchGetItem` takes.
const BATCH: usize = 100;

/// One table. Every read sees every write that was answered before it.
#[derive(Clone)]
pub(crate) struct Table {
    aws: Aws,
    name: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Table {
    pub(crate) fn new(aws: Aws, name: &str, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { aws, name: name.to_owned(), clock, rng }
    }

    pub(crate) fn client(&self) -> &Client {
        self.aws.dynamodb()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The item under a key.
    pub(crate) async fn read(&self, key: Item) -> Result<Option<Item>, CallError> {
        let get = self.client().get_item().table_name(&self.name).set_key(Some(key.into_sdk())).consistent_read(true);
        let found = get.send().await.map_err(|error| CallError::of("dynamodb:GetItem", &*self.name, &error))?;
        Ok(found.item.map(Item::from))
    }

    /// The items under these keys that are there, in any order; of each the attributes with these names, or all.
    pub(crate) async fn read_all(&self, keys: Vec<Item>, only: &[&str]) -> Result<Vec<Item>, CallError> {
        let mut found = Vec::with_capacity(keys.len());
        let mut left: Vec<_> = keys.into_iter().map(Item::into_sdk).collect();
        let mut tries = 0;
        while !left.is_empty() {
            let some = left.split_off(left.len().saturating_sub(BATCH));
            let asked = some.len();
            let mut request = KeysAndAttributes::builder().set_keys(Some(some)).consistent_read(true);
            if !only.is_empty() {
                let short: Vec<String> = (0..only.len()).map(|n| format!("#a{n}")).collect();
                request = request.projection_expression(short.join(", "));
                for (short, name) in short.into_iter().zip(only) {
                    request = request.expression_attribute_names(short, *name);
                }
            }
            let request = request.build().map_err(|error| self.failed(Cause::Refused, error.to_string()))?;
            let answer = self.client().batch_get_item().request_items(&self.name, request).send().await;
            let answer = answer.map_err(|error| CallError::of("dynamodb:BatchGetItem", &*self.name, &error))?;
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items).map(Item::from));
            let rest: Vec<_> = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
            // An answer holds 16 MB, so a part of what was asked for is headway; nothing of it is throttling.
            if rest.len() == asked {
                tries += 1;
                if tries == TRIES {
                    return Err(self.failed(Cause::Throttled, format!("no item was answered in {TRIES} tries")));
                }
                self.pause(tries).await;
            } else {
                tries = 0;
            }
            left.extend(rest);
        }
        Ok(found)
    }

    /// Waits before it is asked again for what was left out of that many answers.
    pub(crate) async fn pause(&self, tries: u32) {
        self.clock.sleep(PAUSE.delay(tries, &*self.rng)).await;
    }

    fn failed(&self, cause: Cause, message: String) -> CallError {
        CallError { call: "dynamodb:BatchGetItem", resource: self.name.clone(), cause, code: None, message }
    }
}
