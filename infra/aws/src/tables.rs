//! What the two DynamoDB tables are made of: their keys, the attributes that the service itself knows, and the index. The
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

/// The table of inbox records. The names are those of AWS Lambda Powertools, so that a consumer written with it can share the
/// table.
pub mod inbox {
    /// The key, a string: the idempotency key.
    pub const ID: &str = "id";
    /// The TTL attribute: when DynamoDB may delete the item, in seconds since 1970.
    pub const EXPIRATION: &str = "expiration";
}
