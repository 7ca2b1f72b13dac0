-- An archive shows nothing of what was taken back, and asks so of each event (XEP-0313 §3.2).
CREATE INDEX retracted_payloads_by_event ON retracted_payloads (node_id, seq);

-- The event that made an item which was overwritten since; NULL: the one that it points at. Most items are never
-- overwritten, and cost nothing here (XEP-0413).
ALTER TABLE items ADD COLUMN created_seq INTEGER;

CREATE INDEX items_by_creation ON items (node_id, created_seq) WHERE created_seq IS NOT NULL;

-- The others, in the same order: a node on which (nearly) every item was overwritten is not searched for those that were
-- not.
CREATE INDEX items_never_overwritten ON items (node_id, seq) WHERE created_seq IS NULL;
