-- A chain over what people did by hand: the digest of the entry before, and the entry's own. Entries from before have none, and
-- theirs are computed.
ALTER TABLE audit ADD COLUMN previous BLOB;
ALTER TABLE audit ADD COLUMN digest BLOB;

-- Since when a message is dead; NULL while it isn't.
ALTER TABLE messages ADD COLUMN dead_at INTEGER;
-- Of a message that came from elsewhere: the types of its attributes that aren't texts (JSON object), and its group.
ALTER TABLE messages ADD COLUMN types TEXT;
ALTER TABLE messages ADD COLUMN message_group TEXT;

-- A dead letter that nobody holds has stood there since it became visible.
UPDATE messages SET dead_at = CASE held WHEN 0 THEN visible_at ELSE sent_at END WHERE failure IS NOT NULL;
CREATE INDEX messages_by_death ON messages (queue, dead_at) WHERE failure IS NOT NULL;
CREATE INDEX messages_dead_by_age ON messages (queue, sent_at) WHERE failure IS NOT NULL;
