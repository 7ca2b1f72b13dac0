-- Collections (XEP-0248). Twin of the other stores' migrations with the same number.

-- What an event of a collection's log is about: JSON, see bus-domain's Origin. NULL on leaves.
ALTER TABLE events ADD COLUMN origin TEXT;

-- Who is a child of whom, and how far the collection has taken the child's log.
CREATE TABLE associations (
    collection_id INTEGER NOT NULL REFERENCES nodes (node_id),
    child_id      INTEGER NOT NULL REFERENCES nodes (node_id),
    through_seq   INTEGER NOT NULL, -- of the child's log
    is_new        INTEGER NOT NULL, -- subscribers have not been told yet
    ends_at_seq   INTEGER,          -- set: dissociated, and gone once the feed has come there
    changed_by    TEXT NOT NULL,    -- who has begun or ended it
    PRIMARY KEY (collection_id, child_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX associations_by_child ON associations (child_id, collection_id);
