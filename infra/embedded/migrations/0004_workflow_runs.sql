-- Workflow runs that go on: their state, and what they have done. The runs from before had taken all their steps as they
-- started; of them remains that they were.
ALTER TABLE runs RENAME TO old_runs;
CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,      -- in the order of their starts
    name       TEXT NOT NULL UNIQUE,
    tenant     TEXT NOT NULL,
    app        TEXT NOT NULL,
    workflow   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    input      TEXT NOT NULL,            -- JSON, canonical
    status     INTEGER NOT NULL,         -- 0 running, 1 succeeded, 2 failed, 3 stopped
    revision   INTEGER NOT NULL,         -- counts its changes, from 1
    state      TEXT NOT NULL,            -- JSON, as the engine writes it
    failure    TEXT,                     -- JSON; NULL unless it failed
    entries    INTEGER NOT NULL,         -- how much stands in its history
    started_at INTEGER NOT NULL,
    ended_at   INTEGER                   -- NULL while it is running
) STRICT;
-- One for each way to list them; an index ends with the id by itself.
CREATE INDEX runs_by_tenant ON runs (tenant);
CREATE INDEX runs_by_app ON runs (tenant, app);
CREATE INDEX runs_by_workflow ON runs (tenant, app, workflow);
CREATE INDEX runs_by_status ON runs (tenant, status);
CREATE INDEX runs_by_app_and_status ON runs (tenant, app, status);
CREATE INDEX runs_by_workflow_and_status ON runs (tenant, app, workflow, status);
CREATE INDEX runs_running ON runs (status) WHERE status = 0;
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE run_history (
    run    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, -- from 1
    entry  TEXT NOT NULL,    -- JSON, as the engine writes it
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

INSERT INTO runs (name, tenant, app, workflow, version, input, status, revision, state, entries, started_at, ended_at)
    SELECT name, tenant, coalesce(input ->> 'app_id', ''), workflow, version, input, 1, 1, 'null', 0, started_at, started_at
    FROM old_runs ORDER BY started_at, name;
DROP TABLE old_runs;
