-- Durable subscriptions of services. Twin of the other stores' migrations with the same number.

CREATE TABLE consumers (
    consumer_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    name             text COLLATE "C" NOT NULL UNIQUE,
    owner            text COLLATE "C" NOT NULL,                       -- bare JID of the principal
    config           jsonb NOT NULL,                                  -- see bus-domain's ConsumerConfig
    is_paused        boolean NOT NULL DEFAULT false,
    created_at_ms    bigint NOT NULL,
    instance         bytea,                                           -- which process serves it
    fence            bigint NOT NULL DEFAULT 0,                       -- moves with each claim
    claimed_until_ms bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

CREATE INDEX consumers_by_owner ON consumers (owner, name);

-- Everything up to seq is settled, but for what has a row in consumer_deliveries.
CREATE TABLE consumer_cursors (
    node_id     bigint NOT NULL,
    consumer_id bigint NOT NULL,
    seq         bigint NOT NULL,
    items_through_seq bigint, -- up to here only the newest events of items are handed out; NULL: everything is
    PRIMARY KEY (node_id, consumer_id)
) WITH (fillfactor = 50);

CREATE INDEX consumer_cursors_by_consumer ON consumer_cursors (consumer_id, node_id);

-- Events that are leased or wait for another attempt; a bounded number for each consumer.
CREATE TABLE consumer_deliveries (
    node_id     bigint NOT NULL,
    seq         bigint NOT NULL,
    consumer_id bigint NOT NULL,
    attempts    bigint NOT NULL,
    is_leased   boolean NOT NULL,
    due_at_ms   bigint NOT NULL, -- end of the lease, or of the wait
    PRIMARY KEY (node_id, seq, consumer_id)
);

CREATE INDEX consumer_deliveries_by_consumer ON consumer_deliveries (consumer_id, node_id, seq);
