-- Whether commits that did not wait for their sync may be lost. Twin of the other stores' migrations with the same
-- number.

-- Its row is there as long as none can be lost: PostgreSQL empties unlogged tables when it recovers from a crash and
-- when a standby takes over, and keeps them over an orderly stop, before which everything is synced.
CREATE UNLOGGED TABLE commits_kept (
    only_row smallint PRIMARY KEY CHECK (only_row = 1)
);

INSERT INTO commits_kept (only_row) VALUES (1);

-- The nodes that such a loss concerns.
CREATE INDEX nodes_relaxed ON nodes (node_id) WHERE config ->> 'durability' = 'relaxed' AND deleted_at_ms IS NULL;
