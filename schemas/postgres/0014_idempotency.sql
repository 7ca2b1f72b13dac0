-- Requests that carried a key of their sender's, and what came of them. Twin of the other stores' migrations with the same
-- number. Nothing has written to the table of the first schema.
DROP TABLE idempotency_keys;

CREATE TABLE idempotency_keys (
    node_id       bigint NOT NULL,
    principal     text COLLATE "C" NOT NULL, -- bare
    key           text COLLATE "C" NOT NULL,
    content_hash  bytea NOT NULL,            -- SHA-256 of what was asked for
    epoch         bigint NOT NULL,           -- what was answered, from here on
    first_seq     bigint NOT NULL,
    item_ids      text NOT NULL,             -- JSON
    durability    text COLLATE "C" NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (node_id, principal, key)
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);
