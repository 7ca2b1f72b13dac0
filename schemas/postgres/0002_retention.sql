-- Retention: how big a node's log is, and what retracts leave to be blanked. Twin of the other stores' migrations with
-- the same number, without a trigger: the statements that remove items remove the event rows that only these kept.

-- Bytes of payload of the events behind trimmed_through_seq.
ALTER TABLE heads ADD COLUMN log_bytes bigint NOT NULL DEFAULT 0;

UPDATE heads SET log_bytes = (
    SELECT coalesce(sum(octet_length(payload)), 0) FROM events
    WHERE events.node_id = heads.node_id AND events.seq > heads.trimmed_through_seq
);

-- Events whose item was taken back: their payload goes once the retraction is handed over.
CREATE TABLE retracted_payloads (
    node_id          bigint NOT NULL,
    retracted_at_seq bigint NOT NULL, -- the retraction
    seq              bigint NOT NULL, -- the event of the item
    PRIMARY KEY (node_id, retracted_at_seq, seq)
);
