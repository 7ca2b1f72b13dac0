-- Collections (XEP-0248). Twin of the other stores' migrations with the same number.

-- What an event of a collection's log is about: JSON, see bus-domain's Origin. NULL on leaves.
ALTER TABLE events ADD COLUMN origin text;

-- Who is a child of whom, and how far the collection has taken the child's log.
CREATE TABLE associations (
    collection_id bigint NOT NULL,
    child_id      bigint NOT NULL,
    through_seq   bigint NOT NULL,  -- of the child's log
    is_new        boolean NOT NULL, -- subscribers have not been told yet
    ends_at_seq   bigint,           -- set: dissociated, and gone once the feed has come there
    changed_by    text NOT NULL,    -- who has begun or ended it
    PRIMARY KEY (collection_id, child_id)
) WITH (fillfactor = 70);

CREATE INDEX associations_by_child ON associations (child_id, collection_id);
