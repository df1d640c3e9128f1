//! What one event causes.

/// A call of a function, as it is billed.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// How many of them there are for each event; less than one where several events share a call.
    pub calls: f64,
    /// Milliseconds of each.
    pub milliseconds: f64,
    /// Memory in megabytes, as the template has it.
    pub megabytes: f64,
}

impl Call {
    pub(super) fn gb_seconds(self) -> f64 {
        self.calls * self.milliseconds / 1000.0 * self.megabytes / 1024.0
    }
}

/// What one consumer does with one event.
#[derive(Debug, Clone, Copy)]
pub struct Handling {
    /// The consumer.
    pub consumer: &'static str,
    /// Requests to the queue: the topic's delivery (counted to be on the safe side), and its share of a receive and a delete.
    pub queue_requests: f64,
    /// Writes of the inbox record, each of one unit up to 1 KB: claim, settle, and for a `Once` effect *sending* in between.
    pub inbox_writes: f64,
    /// Reads of records: the app, and the users.
    pub reads: f64,
    /// The function.
    pub function: Call,
    /// State transitions of a run.
    pub transitions: f64,
    /// Writes against a rate limit, where there is one.
    pub rate_writes: f64,
    /// What the provider tells of each message later, one request each: that it was sent, and that it arrived.
    pub callbacks: f64,
}

impl Handling {
    /// The function that takes what providers tell, once for each callback: a look at the inbox, and the delivery record.
    pub(super) const CALLBACK: Call = Call { calls: 1.0, milliseconds: 20.0, megabytes: 256.0 };
}

/// What one event causes, from the request to the end.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its type.
    pub event_type: &'static str,
    /// Requests to the API.
    pub requests: f64,
    /// The API's function.
    pub api: Call,
    /// The authorizer, where its answer isn't remembered.
    pub authorizer: Call,
    /// Reads before the commit: the records that the request is about, and the answer to its key.
    pub reads: f64,
    /// Kilobytes that each item of the commit counts as: the record, the event in the outbox, the request's key.
    pub commit_kilobytes: [f64; 3],
    /// Writes to the sparse index: the event comes in with the commit, and leaves it with the mark.
    pub index_writes: f64,
    /// Writes of the mark: the event's item, in kilobytes.
    pub mark_kilobytes: f64,
    /// Publishes to the topic.
    pub publishes: f64,
    /// The relay: it looks whether the event is marked.
    pub relay: Call,
    /// Reads of the relay.
    pub relay_reads: f64,
    /// The reactions.
    pub reactions: Call,
    /// Items that reactions commit, of one kilobyte each: an entry in the timeline.
    pub reaction_items: f64,
    /// Its consumers.
    pub handlings: &'static [Handling],
    /// Kilobytes of logs.
    pub log_kilobytes: f64,
}

/// How many messages or changes share a call of a function while there is enough to do: less than the ten or hundred that a
/// batch holds.
const SHARED: f64 = 5.0;

/// The mail server's answer takes most of it; the messages of a batch are sent at the same time.
pub(super) const EMAIL: Handling = Handling {
    consumer: "email",
    queue_requests: 1.0 + 2.0 / SHARED,
    inbox_writes: 3.0,
    reads: 3.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 400.0, megabytes: 256.0 },
    transitions: 0.0,
    rate_writes: 0.0,
    callbacks: 0.0,
};

/// Twilio's answer takes most of it. It tells of each message that it was sent and that it was delivered.
const SMS: Handling = Handling { consumer: "sms", rate_writes: 1.0, callbacks: 2.0, ..EMAIL };

/// Beside that a message was sent and delivered it is told that it was read.
const WHATSAPP: Handling = Handling { consumer: "whatsapp", callbacks: 3.0, ..SMS };

/// FCM tells nothing of a message once it has it.
const PUSH: Handling = Handling {
    consumer: "push",
    rate_writes: 1.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 200.0, megabytes: 256.0 },
    ..EMAIL
};

/// A call of one endpoint.
const WEBHOOK_CALL: Handling = Handling { consumer: "webhook", reads: 2.0, ..EMAIL };

/// What one message by each channel costs that isn't on in every deployment: one recipient, and what an event costs besides is
/// left out.
pub const CHANNELS: [Handling; 4] = [SMS, WHATSAPP, PUSH, WEBHOOK_CALL];

/// An app without webhooks: it is looked up, and that nothing is to be done is written down.
pub(super) const NO_WEBHOOK: Handling = Handling {
    consumer: "webhook",
    inbox_writes: 2.0,
    reads: 1.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 40.0, megabytes: 256.0 },
    ..EMAIL
};

/// A run is started.
pub(super) const WORKFLOW: Handling = Handling {
    consumer: "workflow-kickoff",
    queue_requests: 1.0 + 2.0 / SHARED,
    inbox_writes: 2.0,
    reads: 1.0,
    function: Call { calls: 1.0 / SHARED, milliseconds: 100.0, megabytes: 256.0 },
    transitions: 0.0,
    rate_writes: 0.0,
    callbacks: 0.0,
};

/// A run of four steps, each of them a mail, and a call of the function that it shares with nobody. It has a state for each step,
/// one before and one after them (`sendoff_workflows::asl`): a transition into each, and one to the end.
pub(super) const RUN: Handling = Handling {
    consumer: "run",
    queue_requests: 0.0,
    inbox_writes: 4.0 * EMAIL.inbox_writes,
    reads: 4.0 * EMAIL.reads,
    function: Call { calls: 4.0, ..EMAIL.function },
    transitions: 7.0,
    rate_writes: 0.0,
    callbacks: 0.0,
};

pub(super) const ASSIGNED: Event = Event {
    event_type: "app.assigned",
    requests: 1.0,
    api: Call { calls: 1.0, milliseconds: 40.0, megabytes: 512.0 },
    authorizer: Call { calls: 0.1, milliseconds: 5.0, megabytes: 256.0 },
    reads: 4.0,
    commit_kilobytes: [1.0, 1.0, 1.0],
    index_writes: 2.0,
    mark_kilobytes: 1.0,
    publishes: 1.0,
    relay: Call { calls: 1.0 / SHARED, milliseconds: 20.0, megabytes: 256.0 },
    relay_reads: 1.0,
    // The entry in the timeline is a change too, which the reactions are called for.
    reactions: Call { calls: 2.0 / SHARED, milliseconds: 30.0, megabytes: 256.0 },
    reaction_items: 1.0,
    handlings: &[EMAIL, NO_WEBHOOK],
    log_kilobytes: 2.0,
};

pub(super) const CREATED: Event = Event {
    event_type: "submission.created",
    commit_kilobytes: [2.0, 1.0, 1.0],
    handlings: &[EMAIL, NO_WEBHOOK, WORKFLOW, RUN],
    log_kilobytes: 3.0,
    ..ASSIGNED
};

/// The events that the tables are made for.
pub const EVENTS: [Event; 2] = [ASSIGNED, CREATED];
