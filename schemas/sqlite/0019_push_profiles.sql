-- Push profiles: consumers that the bus itself reads. Twin of the other stores' migrations with the same number.
ALTER TABLE consumers ADD COLUMN reader TEXT NOT NULL DEFAULT 'service'; -- service, or push: config is a ProfileConfig then
ALTER TABLE consumers ADD COLUMN is_of_admin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE consumers ADD COLUMN push_failures INTEGER NOT NULL DEFAULT 0; -- events for which there could be no push
ALTER TABLE consumers ADD COLUMN push_failure TEXT;                        -- why, for the last of them

-- How far the fan-out of the event behind the cursor is, see bus-store's FanOutPlace.
ALTER TABLE consumer_cursors ADD COLUMN fan_out TEXT;

-- The name of a job whose message later ones may replace, 32 hexadecimal digits; NULL once it was claimed.
ALTER TABLE push_jobs ADD COLUMN coalesced_as TEXT;
CREATE UNIQUE INDEX push_jobs_coalesced ON push_jobs (coalesced_as) WHERE coalesced_as IS NOT NULL;

ALTER TABLE push_devices ADD COLUMN locale TEXT; -- a language tag in lower case

CREATE TABLE push_topics (
    topic     TEXT NOT NULL,
    device_id TEXT NOT NULL,
    PRIMARY KEY (topic, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_topics_by_device ON push_topics (device_id);
CREATE TRIGGER push_topics_go_with_devices AFTER DELETE ON push_devices BEGIN
    DELETE FROM push_topics WHERE device_id = old.device_id;
END;
