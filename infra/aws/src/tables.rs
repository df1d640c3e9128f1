//! What the two DynamoDB tables are made of: their keys, the attributes that the service itself knows, and the indexes. The
//! template, the streams and the adapters take the names from here.

/// The table of records, request keys and the outbox.
///
/// | item | `pk` | `sk` |
/// |---|---|---|
/// | record | `r#{tenant}#{collection}` | `/{id}` |
/// | request key | `q#{tenant}#{hash of the key}` | `request` |
/// | event in the outbox | `e#{event id}` | `event` |
pub mod records {
    /// The partition key, a string.
    pub const PK: &str = "pk";
    /// The sort key, a string.
    pub const SK: &str = "sk";
    /// The TTL attribute: when DynamoDB may delete the item, in seconds since 1970.
    pub const EXPIRES: &str = "expires";
    /// The index of events that aren't known to be published. It projects the keys only.
    pub const PENDING_INDEX: &str = "pending";
    /// The index's partition key, a string: one of [`SHARDS`] numbers from `0`. Only events that are still to be published
    /// have it, so the index holds nothing else.
    pub const PENDING: &str = "pending";
    /// The index's sort key, a number: when the event was committed, in milliseconds since 1970.
    pub const COMMITTED_AT: &str = "committed_at";
    /// Over how many partitions the index spreads its writes: each takes about a thousand events a second.
    pub const SHARDS: u8 = 4;

    /// What the partition key of a record begins with.
    pub const RECORD: &str = "r#";
    /// What the partition key of a request key begins with.
    pub const REQUEST: &str = "q#";
    /// What the partition key of an event begins with.
    pub const EVENT: &str = "e#";
}

/// The table of inbox records, and of what else is kept per message or per provider. The names are those of AWS Lambda
/// Powertools, so that a consumer written with it can share the table.
///
/// | item | `id` |
/// |---|---|
/// | inbox record | the idempotency key, `{consumer}/{event id}` |
/// | delivery record | `delivery#{consumer}/{event id}/{step}` |
/// | what a rate limit has let through | `rate#{bucket}` |
/// | what a person did by hand | `audit#{place in the chain, in twenty digits}` |
/// | how many of those there are, and the digest of the last | `audit#head` |
/// | whose a run of a workflow is | `run#{its name}` |
/// | which version of a state machine is which of a workflow | `machine#{the machine's name}/{version}` |
pub mod inbox {
    /// The key, a string.
    pub const ID: &str = "id";
    /// The TTL attribute: when DynamoDB may delete the item, in seconds since 1970.
    pub const EXPIRATION: &str = "expiration";
    /// The index of records that are in doubt. It projects the keys only.
    pub const DOUBTS_INDEX: &str = "doubts";
    /// The index's partition key, a string: the consumer of a record in doubt. No other item has it, so the index holds few
    /// and costs a write for few.
    pub const DOUBT: &str = "doubt";
    /// The index's sort key, a number: since when the oldest of its steps has been in doubt, in milliseconds since 1970.
    pub const DOUBT_SINCE: &str = "doubt_since";

    /// What the id of a delivery record begins with.
    pub const DELIVERY: &str = "delivery#";
    /// What the id of a rate limit's item begins with.
    pub const RATE: &str = "rate#";
    /// What the id of what a person did begins with.
    pub const AUDIT: &str = "audit#";
    /// The id of the item that names the last of those.
    pub const AUDIT_HEAD: &str = "audit#head";
    /// What the id begins with of what tells whose a run is.
    pub const RUN: &str = "run#";
    /// What the id begins with of what tells which version of a state machine is which of ours.
    pub const MACHINE: &str = "machine#";
}
