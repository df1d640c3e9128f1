//! What is known of a deployment: plain facts, which a test can write down as well as a collector.

use std::{collections::BTreeMap, time::Duration};

use sendoff_events::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Kind;

/// A kind of thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Queues and their attributes.
    Queues,
    /// The topic's subscriptions.
    Subscriptions,
    /// What lets functions poll queues and streams.
    Mappings,
    /// Functions: timeout and reserved concurrency.
    Functions,
    /// Alarms.
    Alarms,
    /// The inbox table's time to live.
    InboxTtl,
    /// The bucket of large bodies.
    Payloads,
    /// The version of the tables in a data folder.
    Schema,
    /// Who serves a data folder.
    Server,
    /// Dead letters in a data folder.
    Letters,
    /// The record of what is in doubt, in a data folder.
    Doubts,
    /// The files of a data folder.
    Files,
    /// The disk that a data folder stands on.
    Disk,
}

impl Part {
    /// What it is called.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::Subscriptions => "subscriptions",
            Self::Mappings => "event source mappings",
            Self::Functions => "functions",
            Self::Alarms => "alarms",
            Self::InboxTtl => "time to live of the inbox table",
            Self::Payloads => "lifecycle of the payload bucket",
            Self::Schema => "version of the tables",
            Self::Server => "lock of the data folder",
            Self::Letters => "dead letters",
            Self::Doubts => "doubts",
            Self::Files => "files of the data folder",
            Self::Disk => "free space on the disk",
        }
    }
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// What kind of thing.
    pub part: Part,
    /// Which one; `None`: none of them was seen.
    pub place: Option<String>,
    /// Why not.
    pub why: String,
}

/// Everything that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Which kind of deployment it is.
    pub kind: Kind,
    /// When it was looked at.
    pub now: Timestamp,
    /// How long the inbox remembers.
    pub inbox_keep: Duration,
    /// The topic's ARN.
    pub topic: String,
    /// The queues of the deployment.
    pub queues: Vec<Queue>,
    /// The topic's subscriptions that send to queues.
    pub subscriptions: Vec<Subscription>,
    /// What polls those queues, and the stream of changes.
    pub mappings: Vec<Mapping>,
    /// The functions that are polled for.
    pub functions: Vec<Function>,
    /// The alarms on queues.
    pub alarms: Vec<Alarm>,
    /// How the inbox forgets.
    pub inbox_ttl: Option<Ttl>,
    /// The days after which each lifecycle rule of the payload bucket deletes.
    pub payload_days: Vec<i32>,
    /// The data folder.
    pub folder: Folder,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}

impl Model {
    /// One that nothing is known of yet.
    #[must_use]
    pub fn empty(kind: Kind, now: Timestamp, inbox_keep: Duration) -> Self {
        Self {
            kind,
            now,
            inbox_keep,
            topic: String::new(),
            queues: Vec::new(),
            subscriptions: Vec::new(),
            mappings: Vec::new(),
            functions: Vec::new(),
            alarms: Vec::new(),
            inbox_ttl: None,
            payload_days: Vec::new(),
            folder: Folder::default(),
            unseen: Vec::new(),
        }
    }

    /// Writes down that something could not be looked at.
    pub fn blind(&mut self, part: Part, place: Option<String>, why: impl ToString) {
        self.unseen.push(Unseen { part, place, why: why.to_string() });
    }

    /// The queue with this ARN.
    #[must_use]
    pub fn queue(&self, arn: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.arn == arn)
    }

    /// Whether nobody can say if there is such a thing: it was not seen, and not everything could be seen.
    #[must_use]
    pub fn is_hidden(&self, part: Part, place: &str) -> bool {
        self.unseen.iter().any(|unseen| unseen.part == part && unseen.place.as_deref().is_none_or(|at| at == place))
    }

    /// The function of a mapping, if it was seen.
    #[must_use]
    pub fn function(&self, mapping: &Mapping) -> Option<&Function> {
        self.functions.iter().find(|function| function.arn == mapping.function)
    }

    /// Queues with the mappings that poll them.
    pub fn polled(&self) -> impl Iterator<Item = (&Queue, &Mapping)> {
        self.mappings.iter().filter_map(|mapping| Some((self.queue(&mapping.source)?, mapping)))
    }

    /// The queues whose messages are moved to this one by a redrive policy.
    pub fn sources<'a>(&'a self, queue: &'a Queue) -> impl Iterator<Item = &'a Queue> {
        self.queues.iter().filter(|from| from.redrive.as_ref().is_some_and(|redrive| redrive.target == queue.arn))
    }

    /// Whether the queue takes what failed: by its name, or because somebody moves such messages there.
    #[must_use]
    pub fn is_dead_letter_queue(&self, queue: &Queue) -> bool {
        super::family(&queue.name).len() < queue.name.trim_end_matches(".fifo").len()
            || self.sources(queue).next().is_some()
            || self.subscriptions.iter().any(|s| s.dead_letters.as_deref() == Some(&*queue.arn))
            || self.mappings.iter().any(|m| m.on_failure.as_deref() == Some(&*queue.arn))
    }

    /// The dead-letter queues.
    pub fn dead_letter_queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().filter(|queue| self.is_dead_letter_queue(queue))
    }
}

/// A queue of SQS. Times are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its name, without what the names of all queues of the deployment begin with.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Its ARN.
    pub arn: String,
    /// How long a receive hides a message.
    pub visibility: u64,
    /// How long a message is kept.
    pub retention: u64,
    /// How many messages wait, about.
    pub waiting: u64,
    /// Where what was received too often goes.
    pub redrive: Option<Redrive>,
    /// Which queues may move messages here, where that is limited: their ARNs.
    pub takes_from: Option<Vec<String>>,
    /// Whether it is first in, first out.
    pub fifo: bool,
    /// The key that it is encrypted with, unless it is SQS's own.
    pub key: Option<String>,
    /// Who may send to it.
    pub policy: Option<Value>,
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub target: String,
    /// After how many receives.
    pub after: u64,
}

/// A subscription of a queue to the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Its ARN.
    pub arn: String,
    /// The queue's ARN.
    pub endpoint: String,
    /// Whether the body is delivered as it is.
    pub raw: bool,
    /// What it lets through; `None`: everything.
    pub filter: Option<Value>,
    /// Whether the filter looks into the body instead of the attributes.
    pub filter_on_body: bool,
    /// The ARN of the queue for what can't be delivered.
    pub dead_letters: Option<String>,
    /// Whether nobody has confirmed it yet.
    pub pending: bool,
}

/// An event source mapping of Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its id.
    pub id: String,
    /// The ARN of the queue or stream.
    pub source: String,
    /// The function's ARN, without a version or alias.
    pub function: String,
    /// Whether it polls.
    pub enabled: bool,
    /// What it said of its last batch, or why it is in its state.
    pub said: Option<String>,
    /// How long it waits for a batch to fill, in seconds.
    pub window: u64,
    /// Whether the function can report the items that failed.
    pub partial: bool,
    /// How many batches it works at once at most.
    pub most_at_once: Option<u32>,
    /// Of a stream: what bounds its retries.
    pub stream: Option<StreamLimits>,
    /// Where what failed goes: an ARN.
    pub on_failure: Option<String>,
}

/// What bounds the retries of a stream's batches. `None`: nothing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// How many retries.
    pub retries: Option<u32>,
    /// How old a record may get, in seconds.
    pub age: Option<u32>,
    /// Whether a batch that fails is halved.
    pub halved: bool,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its ARN, without a version or alias.
    pub arn: String,
    /// How long it may run, in seconds.
    pub timeout: u64,
    /// How many of it may run at once, where that is reserved.
    pub reserved: Option<u32>,
}

/// An alarm of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it watches.
    pub metrics: Vec<Metric>,
    /// Whether anybody is told.
    pub tells: bool,
}

/// A metric of CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The namespace, such as `AWS/SQS`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is of.
    pub dimensions: BTreeMap<String, String>,
}

/// The time to live of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ttl {
    /// The table.
    pub table: String,
    /// The attribute; `None` when it is off.
    pub attribute: Option<String>,
}

/// A data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: String,
    /// The version of its tables, and the one that this program knows.
    pub schema: Option<(i32, i32)>,
    /// Whether a process serves it.
    pub is_served: bool,
    /// Its queues.
    pub queues: Vec<FolderQueue>,
    /// What is in doubt for longer than its consumer waits for news.
    pub doubts: Vec<OldDoubt>,
    /// The size of the data file, in bytes.
    pub data_bytes: u64,
    /// The size of the log beside it, in bytes.
    pub log_bytes: u64,
    /// How much of the disk is free, and how much there is, in bytes.
    pub disk: Option<(u64, u64)>,
}

/// A queue in a data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderQueue {
    /// Its name, without `-dlq`.
    pub name: String,
    /// How many messages wait in it.
    pub waiting: u64,
    /// How many dead letters it has.
    pub dead: u64,
    /// Whether it holds changes of a reaction and nothing else.
    pub of_reaction: bool,
    /// Whether there is a consumer of this name.
    pub has_consumer: bool,
    /// Dead letters whose large body is gone: their message ids.
    pub without_body: Vec<String>,
    /// How many dead letters tell of an event that is older than what the inbox remembers.
    pub too_old: u64,
}

/// Doubts of a consumer that nobody has settled in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldDoubt {
    /// The consumer.
    pub consumer: String,
    /// How many.
    pub count: u64,
    /// Since when the oldest is.
    pub since: Timestamp,
    /// How long the consumer waits for news.
    pub window: Duration,
}
