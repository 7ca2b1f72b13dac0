-- A provider may be reached through several of our accounts; each has its own queue of jobs.
ALTER TABLE push_devices ADD COLUMN account TEXT NOT NULL DEFAULT 'default';
ALTER TABLE push_jobs ADD COLUMN account TEXT NOT NULL DEFAULT 'default';
-- Its last two columns count what waits without a look at the rows, which hold the messages.
DROP INDEX push_jobs_due;
CREATE INDEX push_jobs_due ON push_jobs (provider, account, due_at_ms, enqueued_at_ms, state) WHERE state = 'waiting';
