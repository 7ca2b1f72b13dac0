-- SubIDs, and subscriptions that end by themselves. Twin of the other stores' migrations with the same number.

ALTER TABLE subscriptions ADD COLUMN sub_id INTEGER;        -- the id under which it was asked for; NULL: no SubID
ALTER TABLE subscriptions ADD COLUMN expires_at_ms INTEGER; -- set: later events are not due

CREATE INDEX subscriptions_leased ON subscriptions (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
