-- What providers have told of messages after they took them: the latest of the news, one row per message and recipient.
CREATE TABLE deliveries (
    event       BLOB NOT NULL,
    consumer    TEXT NOT NULL,
    step        TEXT NOT NULL,
    status      TEXT NOT NULL,
    provider    TEXT NOT NULL,
    provider_id TEXT,
    reason      TEXT,
    at          INTEGER NOT NULL, -- as the provider says
    told_at     INTEGER NOT NULL, -- when it came here
    PRIMARY KEY (event, consumer, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_age ON deliveries (told_at);

-- The records that wait for a person. Few, so the index costs the others nothing.
CREATE INDEX inbox_in_doubt ON inbox (updated_at) WHERE status = 2;

-- What people did by hand. AUTOINCREMENT and the triggers: nothing in it is ever changed or taken away.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    event   BLOB,          -- the event that it was about
    target  TEXT NOT NULL,
    because TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_event ON audit (event) WHERE event IS NOT NULL;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit can only be added to'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit can only be added to'); END;
