-- All moments are milliseconds since 1970. Every table is STRICT: what stands in a column is what it says.

-- State. A deleted record stays as a row without data, so that its version goes on counting.
CREATE TABLE records (
    tenant     TEXT NOT NULL,
    collection TEXT NOT NULL,
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    data       TEXT,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, collection, id)
) STRICT;

-- Answers to requests that carried a key.
CREATE TABLE requests (
    tenant      TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer      TEXT NOT NULL, -- JSON
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT;
CREATE INDEX requests_by_age ON requests (created_at);

-- Every write of a record, in the order of commits. AUTOINCREMENT: a purged place is never given again.
CREATE TABLE changes (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    collection TEXT NOT NULL,
    id         TEXT NOT NULL,
    version    INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    old        TEXT,
    new        TEXT
) STRICT;

-- How far each reaction has come in the changes.
CREATE TABLE cursors (
    reaction TEXT NOT NULL PRIMARY KEY,
    seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every event, its body once. The messages of all queues point here.
CREATE TABLE events (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB NOT NULL UNIQUE,
    type          TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    body          BLOB NOT NULL, -- the envelope, or the pointer of a claim check
    payload_bytes INTEGER,       -- of a claim check: the size of the envelope
    correlation   TEXT,          -- NULL: the event's own id
    causation     BLOB,
    first_change  INTEGER,       -- the changes of the same commit: first_change..=last_change
    last_change   INTEGER,
    committed_at  INTEGER NOT NULL,
    published_at  INTEGER
) STRICT;
CREATE INDEX events_pending ON events (committed_at) WHERE published_at IS NULL;
CREATE INDEX events_by_cause ON events (causation) WHERE causation IS NOT NULL;
CREATE INDEX events_by_correlation ON events (correlation) WHERE correlation IS NOT NULL;

-- Queues. A dead-letter queue is a queue of its own, with the queue that it belongs to as its source.
CREATE TABLE queues (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    source INTEGER REFERENCES queues (id)
) STRICT;

-- Which queues the topic passes its events on to.
CREATE TABLE subscriptions (
    queue  INTEGER PRIMARY KEY REFERENCES queues (id),
    filter TEXT NOT NULL
) STRICT;

-- AUTOINCREMENT: an old receipt can never name a new message.
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue      INTEGER NOT NULL REFERENCES queues (id),
    visible_at INTEGER NOT NULL,
    held       INTEGER NOT NULL DEFAULT 0, -- 1: hidden by a lease, 0: by a delay
    lease      INTEGER NOT NULL DEFAULT 0, -- the second half of the receipt; a new one makes older receipts stale
    receives   INTEGER NOT NULL DEFAULT 0,
    silent     INTEGER NOT NULL DEFAULT 0, -- the receives since a consumer last said what is to happen to it
    sent_at    INTEGER NOT NULL,
    event      INTEGER REFERENCES events (seq), -- where body and attributes stand, unless the message has its own
    body       BLOB,
    attributes TEXT,                       -- JSON object; added to those of the event
    failure    TEXT,                       -- JSON; NULL unless dead, 'null' when dead for no known reason
    key        TEXT                        -- of a schedule or a parked change: putting it again replaces it
) STRICT;
CREATE INDEX messages_next ON messages (queue, visible_at);
CREATE INDEX messages_by_event ON messages (event) WHERE event IS NOT NULL;
CREATE INDEX messages_dead ON messages (queue) WHERE failure IS NOT NULL;
CREATE INDEX messages_by_reason ON messages (queue, failure ->> 'reason') WHERE failure IS NOT NULL;
CREATE UNIQUE INDEX messages_by_key ON messages (key) WHERE key IS NOT NULL;

-- The inbox: one record per consumer and event. The event comes first, so that one event's records stand together and
-- new records are appended.
CREATE TABLE inbox (
    event        BLOB NOT NULL,
    consumer     TEXT NOT NULL,
    status       INTEGER NOT NULL, -- 0 claimed, 1 done, 2 in doubt, 3 failed
    fence        INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    replay       INTEGER NOT NULL,
    payload_hash BLOB NOT NULL,
    steps        TEXT,             -- JSON; NULL when there are none
    history      TEXT,             -- JSON; NULL when there is none
    first_at     INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    PRIMARY KEY (event, consumer)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_by_expiry ON inbox (expires_at) WHERE expires_at IS NOT NULL;

-- Workflow runs.
CREATE TABLE runs (
    name       TEXT NOT NULL PRIMARY KEY,
    tenant     TEXT NOT NULL,
    workflow   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    steps      TEXT NOT NULL, -- JSON array of step ids
    input      TEXT NOT NULL, -- JSON, canonical
    status     TEXT NOT NULL,
    taken      TEXT NOT NULL, -- JSON array of {id, at}
    started_at INTEGER NOT NULL
) STRICT;
