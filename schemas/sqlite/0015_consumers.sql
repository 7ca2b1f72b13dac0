-- Durable subscriptions of services. Twin of the other stores' migrations with the same number.

CREATE TABLE consumers (
    consumer_id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    name             TEXT NOT NULL UNIQUE,
    owner            TEXT NOT NULL,                     -- bare JID of the principal
    config           TEXT NOT NULL,                     -- JSON, see bus-domain's ConsumerConfig
    is_paused        INTEGER NOT NULL DEFAULT 0,
    created_at_ms    INTEGER NOT NULL,
    instance         BLOB,                              -- which process serves it
    fence            INTEGER NOT NULL DEFAULT 0,        -- moves with each claim
    claimed_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX consumers_by_owner ON consumers (owner, name);

-- Everything up to seq is settled, but for what has a row in consumer_deliveries.
CREATE TABLE consumer_cursors (
    node_id     INTEGER NOT NULL REFERENCES nodes (node_id),
    consumer_id INTEGER NOT NULL REFERENCES consumers (consumer_id),
    seq         INTEGER NOT NULL,
    items_through_seq INTEGER, -- up to here only the newest events of items are handed out; NULL: everything is
    PRIMARY KEY (node_id, consumer_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX consumer_cursors_by_consumer ON consumer_cursors (consumer_id, node_id);

-- Events that are leased or wait for another attempt; a bounded number for each consumer.
CREATE TABLE consumer_deliveries (
    node_id     INTEGER NOT NULL REFERENCES nodes (node_id),
    seq         INTEGER NOT NULL,
    consumer_id INTEGER NOT NULL REFERENCES consumers (consumer_id),
    attempts    INTEGER NOT NULL,
    is_leased   INTEGER NOT NULL,
    due_at_ms   INTEGER NOT NULL, -- end of the lease, or of the wait
    PRIMARY KEY (node_id, seq, consumer_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX consumer_deliveries_by_consumer ON consumer_deliveries (consumer_id, node_id, seq);
