//! The resources of one deployment, and the ports over them. Each adapter's file adds its port to [`Store`].

use std::{collections::BTreeMap, sync::Arc};

use sendoff_events::{Clock, Rng};
use sendoff_workflows::asl::Functions;

use crate::{Aws, changes::Readers};

/// What the template creates, by the names that AWS knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// The DynamoDB table of records, request keys and the outbox.
    pub table: String,
    /// The DynamoDB table of inbox records and of the reactions' checkpoints.
    pub inbox_table: String,
    /// The stream of the table of records, where changes are read by polling; a Lambda function is given them.
    pub stream_arn: Option<String>,
    /// The SNS topic that all events go to.
    pub topic_arn: String,
    /// What the URL of every queue begins with; the consumer's name follows, and `-dlq` for its dead-letter queue.
    pub queue_url_base: String,
    /// The bucket of claim checks.
    pub bucket: String,
    /// The role that runs of workflows act under. Their state machines stand in its account.
    pub runs_role_arn: String,
    /// What the names of their state machines begin with.
    pub runs_prefix: String,
    /// The functions that they call.
    pub functions: Functions,
    /// The group of EventBridge Scheduler that schedules stand in.
    pub schedule_group: String,
    /// The role that EventBridge Scheduler sends messages with.
    pub schedule_role_arn: String,
    /// The largest body that travels in a message of the topic, in bytes.
    pub topic_limit: usize,
}

impl Resources {
    /// SNS takes 256 KiB, attributes included; they get one of them.
    pub const TOPIC_LIMIT: usize = 255 * 1024;

    /// Where nothing runs code: workflows that call functions can't be published.
    #[must_use]
    pub fn no_functions() -> Functions {
        Functions::at(BTreeMap::new(), String::new())
    }

    /// The functions as `SENDOFF_FUNCTIONS` takes them.
    #[must_use]
    pub fn functions_json(&self) -> String {
        let actions = self.functions.actions.iter().map(|(action, arn)| (action.name(), arn));
        let all: BTreeMap<&str, &String> = actions.chain([("steps", &self.functions.steps)]).collect();
        serde_json::to_string(&all).unwrap_or_default()
    }

    /// The URL of a queue.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}{name}", self.queue_url_base)
    }

    /// The URL of a queue's dead-letter queue.
    #[must_use]
    pub fn dead_letter_url(&self, name: &str) -> String {
        format!("{}{name}-dlq", self.queue_url_base)
    }
}

/// One deployment of the system on AWS, and the ports over it. Cloning it is cheap.
#[derive(Clone)]
pub struct Store {
    pub(crate) aws: Aws,
    pub(crate) resources: Arc<Resources>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    /// What was read of the stream of changes and isn't dealt with yet.
    pub(crate) readers: Arc<Readers>,
}

impl Store {
    /// The deployment that has these resources. Nothing is called before it is needed.
    #[must_use]
    pub fn new(aws: Aws, resources: Resources, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { aws, resources: Arc::new(resources), clock, rng, readers: Arc::default() }
    }

    /// The connection.
    #[must_use]
    pub const fn aws(&self) -> &Aws {
        &self.aws
    }

    /// The names of its resources.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
}
