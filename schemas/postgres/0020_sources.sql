-- Services of users that the bus reads. Twin of the other stores' migrations with the same number.
CREATE TABLE sources (
    source_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    name             text COLLATE "C" NOT NULL UNIQUE,
    owner            text COLLATE "C" NOT NULL,                                  -- bare JID of the principal
    node             text NOT NULL,                                  -- where its events are published
    uri              text NOT NULL,
    bearer_token     text,
    created_at_ms    bigint NOT NULL,
    resume_token     bytea NOT NULL DEFAULT ''::bytea,               -- of what was published last
    standing         jsonb,                                          -- see bus-domain's Standing
    instance         bytea,                                          -- which process reads it
    fence            bigint NOT NULL DEFAULT 0,                      -- moves with each claim
    claimed_until_ms bigint NOT NULL DEFAULT 0
);

CREATE INDEX sources_by_owner ON sources (owner, name);
