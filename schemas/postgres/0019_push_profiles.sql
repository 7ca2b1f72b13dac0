-- Push profiles: consumers that the bus itself reads. Twin of the other stores' migrations with the same number.
ALTER TABLE consumers ADD COLUMN reader text NOT NULL DEFAULT 'service'; -- service, or push: config is a ProfileConfig then
ALTER TABLE consumers ADD COLUMN is_of_admin boolean NOT NULL DEFAULT false;
ALTER TABLE consumers ADD COLUMN push_failures bigint NOT NULL DEFAULT 0; -- events for which there could be no push
ALTER TABLE consumers ADD COLUMN push_failure text;                       -- why, for the last of them

-- How far the fan-out of the event behind the cursor is, see bus-store's FanOutPlace.
ALTER TABLE consumer_cursors ADD COLUMN fan_out text;

-- The name of a job whose message later ones may replace, 32 hexadecimal digits; NULL once it was claimed.
ALTER TABLE push_jobs ADD COLUMN coalesced_as text;
CREATE UNIQUE INDEX push_jobs_coalesced ON push_jobs (coalesced_as) WHERE coalesced_as IS NOT NULL;

ALTER TABLE push_devices ADD COLUMN locale text; -- a language tag in lower case

CREATE TABLE push_topics (
    topic     text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL REFERENCES push_devices (device_id) ON DELETE CASCADE,
    PRIMARY KEY (topic, device_id)
);
CREATE INDEX push_topics_by_device ON push_topics (device_id);
