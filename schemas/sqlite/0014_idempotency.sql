-- Requests that carried a key of their sender's, and what came of them. Twin of the other stores' migrations with the same
-- number. Nothing has written to the table of the first schema.
DROP TABLE idempotency_keys;

CREATE TABLE idempotency_keys (
    node_id       INTEGER NOT NULL,
    principal     TEXT NOT NULL,    -- bare
    key           TEXT NOT NULL,
    content_hash  BLOB NOT NULL,    -- SHA-256 of what was asked for
    epoch         INTEGER NOT NULL, -- what was answered, from here on
    first_seq     INTEGER NOT NULL,
    item_ids      TEXT NOT NULL,    -- JSON
    durability    TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (node_id, principal, key)
) STRICT;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);
