-- The bus's first schema. Twin of the other stores' migrations with the same number.
-- Every hot key starts with the node. Times are milliseconds since 1970. 64-bit epochs are stored as signed integers.

-- One row: what belongs to the database as a whole.
CREATE TABLE store (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id_key   BLOB NOT NULL CHECK (length(id_key) = 16) -- MAC key of message ids and event ids
) STRICT;

INSERT INTO store (only_row, id_key) VALUES (1, randomblob(16));

CREATE TABLE nodes (
    node_id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    name          TEXT NOT NULL,
    creator       TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    deleted_at_ms INTEGER,                           -- set: a tombstone, its name is free
    config        TEXT NOT NULL                      -- JSON, see bus-domain's NodeConfig
) STRICT;

CREATE UNIQUE INDEX nodes_live_name ON nodes (name) WHERE deleted_at_ms IS NULL;
CREATE INDEX nodes_deleted ON nodes (node_id) WHERE deleted_at_ms IS NOT NULL;

-- The narrow row that orders a node's commits: locked and moved by each of them.
CREATE TABLE heads (
    node_id              INTEGER PRIMARY KEY REFERENCES nodes,
    epoch                INTEGER NOT NULL,
    seq                  INTEGER NOT NULL DEFAULT 0,
    last_due_seq         INTEGER NOT NULL DEFAULT 0, -- the newest event that is due to subscribers
    due_before_seq       INTEGER NOT NULL DEFAULT 0, -- last_due_seq before the newest commit
    rules_version        INTEGER NOT NULL DEFAULT 1, -- configuration and affiliations
    recipients_version   INTEGER NOT NULL DEFAULT 1, -- subscriptions, their options, who may receive
    item_count           INTEGER NOT NULL DEFAULT 0,
    subscription_count   INTEGER NOT NULL DEFAULT 0,
    last_subscription_id INTEGER NOT NULL DEFAULT 0, -- never used again
    purged_through_seq   INTEGER NOT NULL DEFAULT 0, -- a purge is one mark, honoured by every read
    trimmed_through_seq  INTEGER NOT NULL DEFAULT 0  -- what retention has taken from the log
) STRICT;

-- The log: append-only, one row per event however many subscribers there are.
CREATE TABLE events (
    node_id            INTEGER NOT NULL REFERENCES nodes,
    seq                INTEGER NOT NULL,
    kind               INTEGER NOT NULL, -- 1 published, 2 retracted, 3 purged, 4 configured, 5 deleted
    item_id            TEXT,
    publisher          TEXT NOT NULL,
    payload            TEXT,
    published_at_ms    INTEGER NOT NULL,
    recipients_version INTEGER NOT NULL, -- deliver with a snapshot at least this new
    due_after_seq      INTEGER,          -- the due event before this one; NULL: due to nobody
    PRIMARY KEY (node_id, seq)
) STRICT;

-- Which events are live items.
CREATE TABLE items (
    node_id INTEGER NOT NULL REFERENCES nodes,
    item_id TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (node_id, item_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX items_by_seq ON items (node_id, seq);

CREATE TABLE affiliations (
    node_id     INTEGER NOT NULL REFERENCES nodes,
    jid         TEXT NOT NULL, -- bare
    affiliation TEXT NOT NULL,
    PRIMARY KEY (node_id, jid)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
    node_id         INTEGER NOT NULL REFERENCES nodes,
    subscription_id INTEGER NOT NULL,
    jid             TEXT NOT NULL, -- as subscribed
    bare_jid        TEXT NOT NULL,
    state           TEXT NOT NULL,
    since_seq       INTEGER NOT NULL, -- only later events are due
    options         TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (node_id, subscription_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_by_subscriber ON subscriptions (node_id, bare_jid);

-- How far each leg has handed over: all events through seq, and the one behind it through subscription_id.
CREATE TABLE cursors (
    node_id         INTEGER NOT NULL REFERENCES nodes,
    leg             TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    PRIMARY KEY (node_id, leg)
) STRICT, WITHOUT ROWID;

-- Subscriptions that had to leave the common cursor and are fed from the log until they have caught up.
CREATE TABLE lagging (
    node_id         INTEGER NOT NULL REFERENCES nodes,
    subscription_id INTEGER NOT NULL,
    leg             TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    due_at_ms       INTEGER NOT NULL,
    PRIMARY KEY (node_id, subscription_id, leg)
) STRICT, WITHOUT ROWID;

-- Results of requests that carried a key of their sender's, scoped to node and principal.
CREATE TABLE idempotency_keys (
    node_id       INTEGER NOT NULL REFERENCES nodes,
    principal     TEXT NOT NULL,
    key           TEXT NOT NULL,
    first_seq     INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (node_id, principal, key)
) STRICT, WITHOUT ROWID;

-- The ids of committed batches, for a commit whose outcome got lost. The newest thousand are kept.
CREATE TABLE batches (
    batch_number    INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id        BLOB NOT NULL UNIQUE,
    committed_at_ms INTEGER NOT NULL
) STRICT;

CREATE TRIGGER batches_bounded AFTER INSERT ON batches BEGIN
    DELETE FROM batches WHERE batch_number <= NEW.batch_number - 1000;
END;
