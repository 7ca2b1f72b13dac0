-- Where people can be reached. A token is bounded so that it fits into an index.
CREATE TABLE push_devices (
    device_id        TEXT NOT NULL PRIMARY KEY, -- 32 hexadecimal digits
    owner            TEXT NOT NULL,             -- a bare JID
    provider         TEXT NOT NULL,             -- apns, fcm, webpush
    token            TEXT NOT NULL,             -- of the provider, or an endpoint
    address          TEXT NOT NULL,             -- all of it, as JSON
    registered_at_ms BIGINT NOT NULL,
    seen_at_ms       BIGINT NOT NULL,
    quarantined      TEXT                       -- why it gets nothing
);
CREATE UNIQUE INDEX push_devices_by_token ON push_devices (provider, token);
CREATE INDEX push_devices_by_owner ON push_devices (owner, device_id);
CREATE INDEX push_devices_by_seen ON push_devices (seen_at_ms);

-- Messages on their way. One that is tried is due when the claim on it ends.
CREATE TABLE push_jobs (
    job_id         TEXT NOT NULL PRIMARY KEY,   -- 32 hexadecimal digits
    device_id      TEXT NOT NULL,
    provider       TEXT NOT NULL,
    message        TEXT,                        -- as JSON; NULL once it is delivered
    state          TEXT NOT NULL,               -- waiting, delivered, dead
    enqueued_at_ms BIGINT NOT NULL,
    due_at_ms      BIGINT NOT NULL,
    expires_at_ms  BIGINT NOT NULL,
    attempts       BIGINT NOT NULL,
    reason         TEXT,                        -- why it waits or was given up
    finished_at_ms BIGINT
);
CREATE INDEX push_jobs_due ON push_jobs (provider, due_at_ms) WHERE state = 'waiting';
CREATE INDEX push_jobs_dead ON push_jobs (job_id) WHERE state = 'dead';
CREATE INDEX push_jobs_finished ON push_jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
