-- Retention: how big a node's log is, what retracts leave to be blanked, and no event row without a reason.

-- Bytes of payload of the events behind trimmed_through_seq.
ALTER TABLE heads ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE heads SET log_bytes = (
    SELECT coalesce(sum(octet_length(payload)), 0) FROM events
    WHERE events.node_id = heads.node_id AND events.seq > heads.trimmed_through_seq
);

-- Events whose item was taken back: their payload goes once the retraction is handed over.
CREATE TABLE retracted_payloads (
    node_id          INTEGER NOT NULL REFERENCES nodes,
    retracted_at_seq INTEGER NOT NULL, -- the retraction
    seq              INTEGER NOT NULL, -- the event of the item
    PRIMARY KEY (node_id, retracted_at_seq, seq)
) STRICT, WITHOUT ROWID;

-- The log keeps rows behind its trimmed end only for items. Whoever lets go of the item lets go of the row.
CREATE TRIGGER items_unpinned AFTER DELETE ON items
WHEN OLD.seq <= (SELECT trimmed_through_seq FROM heads WHERE node_id = OLD.node_id) BEGIN
    DELETE FROM events WHERE node_id = OLD.node_id AND seq = OLD.seq;
END;
