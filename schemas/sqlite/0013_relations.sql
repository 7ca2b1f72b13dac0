-- Relationships of nodes (XEP-0496): each points at one other at most. Twin of the other stores' migrations with the same number.
-- Its configuration says the same; this is for those who look from the other side.
CREATE TABLE relations (
    node_id   INTEGER PRIMARY KEY REFERENCES nodes (node_id),
    kind      TEXT NOT NULL, -- link, parent
    target_id INTEGER NOT NULL REFERENCES nodes (node_id)
) STRICT;

CREATE INDEX relations_by_target ON relations (target_id, node_id);
