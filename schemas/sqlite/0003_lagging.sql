-- What is known of a subscription whose notifications come back. Twin of the other stores' migrations with the same
-- number.

ALTER TABLE subscriptions ADD COLUMN failing_since_ms INTEGER; -- set: nothing was delivered in between
ALTER TABLE subscriptions ADD COLUMN failed_seq INTEGER;       -- the newest event that came back; set with failing_since_ms
ALTER TABLE subscriptions ADD COLUMN parked_at_ms INTEGER;     -- set: no recipient until its subscriber shows up

CREATE INDEX subscriptions_parked ON subscriptions (node_id, subscription_id) WHERE parked_at_ms IS NOT NULL;
