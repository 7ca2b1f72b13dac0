-- The bus's first schema. Twin of the other stores' migrations with the same number.
-- Every hot key starts with the node. Times are milliseconds since 1970. 64-bit epochs are stored as signed integers.
-- Text is compared byte by byte (COLLATE "C"), as XEP-0060 compares ids, whatever the locale of the database.
-- There are no foreign keys: rows are written for locked nodes only, and each check would lock the node's row.

-- One row: what belongs to the database as a whole.
CREATE TABLE store (
    only_row smallint PRIMARY KEY CHECK (only_row = 1),
    id_key   bytea NOT NULL CHECK (length(id_key) = 16) -- MAC key of message ids and event ids
);

-- A version 4 UUID has 122 random bits: two of them, condensed to 128.
INSERT INTO store (only_row, id_key)
VALUES (1, substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) FOR 16));

CREATE TABLE nodes (
    node_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    name          text COLLATE "C" NOT NULL,
    creator       text COLLATE "C" NOT NULL,
    created_at_ms bigint NOT NULL,
    deleted_at_ms bigint,                           -- set: a tombstone, its name is free
    config        jsonb NOT NULL                    -- see bus-domain's NodeConfig
);

CREATE UNIQUE INDEX nodes_live_name ON nodes (name) WHERE deleted_at_ms IS NULL;
CREATE INDEX nodes_deleted ON nodes (node_id) WHERE deleted_at_ms IS NOT NULL;

-- The narrow row that orders a node's commits: locked and moved by each of them. Half of each page stays free, so
-- that a moved row finds its place there and no index has to change (a heap-only tuple).
CREATE TABLE heads (
    node_id              bigint PRIMARY KEY,
    epoch                bigint NOT NULL,
    seq                  bigint NOT NULL DEFAULT 0,
    last_due_seq         bigint NOT NULL DEFAULT 0, -- the newest event that is due to subscribers
    due_before_seq       bigint NOT NULL DEFAULT 0, -- last_due_seq before the newest commit
    rules_version        bigint NOT NULL DEFAULT 1, -- configuration and affiliations
    recipients_version   bigint NOT NULL DEFAULT 1, -- subscriptions, their options, who may receive
    item_count           bigint NOT NULL DEFAULT 0,
    subscription_count   bigint NOT NULL DEFAULT 0,
    last_subscription_id bigint NOT NULL DEFAULT 0, -- never used again
    purged_through_seq   bigint NOT NULL DEFAULT 0, -- a purge is one mark, honoured by every read
    trimmed_through_seq  bigint NOT NULL DEFAULT 0  -- what retention has taken from the log
) WITH (fillfactor = 50);

-- The log: append-only, one row per event however many subscribers there are.
CREATE TABLE events (
    node_id            bigint NOT NULL,
    seq                bigint NOT NULL,
    kind               bigint NOT NULL,  -- 1 published, 2 retracted, 3 purged, 4 configured, 5 deleted
    item_id            text COLLATE "C",
    publisher          text COLLATE "C" NOT NULL,
    payload            text COLLATE "C",
    published_at_ms    bigint NOT NULL,
    recipients_version bigint NOT NULL,  -- deliver with a snapshot at least this new
    due_after_seq      bigint,           -- the due event before this one; NULL: due to nobody
    PRIMARY KEY (node_id, seq)
);

-- Which events are live items.
CREATE TABLE items (
    node_id bigint NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    seq     bigint NOT NULL,
    PRIMARY KEY (node_id, item_id)
);

CREATE UNIQUE INDEX items_by_seq ON items (node_id, seq);

CREATE TABLE affiliations (
    node_id     bigint NOT NULL,
    jid         text COLLATE "C" NOT NULL, -- bare
    affiliation text COLLATE "C" NOT NULL,
    PRIMARY KEY (node_id, jid)
);

CREATE TABLE subscriptions (
    node_id         bigint NOT NULL,
    subscription_id bigint NOT NULL,
    jid             text COLLATE "C" NOT NULL, -- as subscribed
    bare_jid        text COLLATE "C" NOT NULL,
    state           text COLLATE "C" NOT NULL,
    since_seq       bigint NOT NULL, -- only later events are due
    options         jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (node_id, subscription_id)
);

CREATE INDEX subscriptions_by_subscriber ON subscriptions (node_id, bare_jid);

-- How far each leg has handed over: all events through seq, and the one behind it through subscription_id.
CREATE TABLE cursors (
    node_id         bigint NOT NULL,
    leg             text COLLATE "C" NOT NULL,
    seq             bigint NOT NULL,
    subscription_id bigint NOT NULL,
    PRIMARY KEY (node_id, leg)
) WITH (fillfactor = 50);

-- Subscriptions that had to leave the common cursor and are fed from the log until they have caught up.
CREATE TABLE lagging (
    node_id         bigint NOT NULL,
    subscription_id bigint NOT NULL,
    leg             text COLLATE "C" NOT NULL,
    seq             bigint NOT NULL,
    attempts        bigint NOT NULL DEFAULT 0,
    due_at_ms       bigint NOT NULL,
    PRIMARY KEY (node_id, subscription_id, leg)
);

-- Results of requests that carried a key of their sender's, scoped to node and principal.
CREATE TABLE idempotency_keys (
    node_id       bigint NOT NULL,
    principal     text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    first_seq     bigint NOT NULL,
    events        bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (node_id, principal, key)
);

-- The ids of committed batches, for a commit whose outcome got lost. Whoever records a batch removes old ones now and
-- then: a trigger would make instances wait for each other's rows. More are kept than by the other stores, because all
-- instances share the table.
CREATE TABLE batches (
    batch_number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id        bytea NOT NULL UNIQUE,
    committed_at_ms bigint NOT NULL
);
