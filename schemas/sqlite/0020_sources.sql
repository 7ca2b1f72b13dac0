-- Services of users that the bus reads. Twin of the other stores' migrations with the same number.
CREATE TABLE sources (
    source_id        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    name             TEXT NOT NULL UNIQUE,
    owner            TEXT NOT NULL,                     -- bare JID of the principal
    node             TEXT NOT NULL,                     -- where its events are published
    uri              TEXT NOT NULL,
    bearer_token     TEXT,
    created_at_ms    INTEGER NOT NULL,
    resume_token     BLOB NOT NULL DEFAULT x'',         -- of what was published last
    standing         TEXT,                              -- JSON, see bus-domain's Standing
    instance         BLOB,                              -- which process reads it
    fence            INTEGER NOT NULL DEFAULT 0,        -- moves with each claim
    claimed_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sources_by_owner ON sources (owner, name);
