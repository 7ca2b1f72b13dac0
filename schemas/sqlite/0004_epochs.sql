-- Whether a process works on the database. Still set at a start, it says that the last one ended without closing, so that
-- commits which did not wait for their sync may be lost.
ALTER TABLE store ADD COLUMN in_use INTEGER NOT NULL DEFAULT 0 CHECK (in_use IN (0, 1));

-- The nodes that such an end concerns. A configuration that cannot be read is in nobody's way.
CREATE INDEX nodes_relaxed ON nodes (node_id)
    WHERE CASE WHEN json_valid(config) THEN config ->> 'durability' = 'relaxed' END AND deleted_at_ms IS NULL;
