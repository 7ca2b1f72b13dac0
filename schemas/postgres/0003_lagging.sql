-- What is known of a subscription whose notifications come back. Twin of the other stores' migrations with the same
-- number.

ALTER TABLE subscriptions
    ADD COLUMN failing_since_ms bigint, -- set: nothing was delivered in between
    ADD COLUMN failed_seq       bigint, -- the newest event that came back; set with failing_since_ms
    ADD COLUMN parked_at_ms     bigint; -- set: no recipient until its subscriber shows up

CREATE INDEX subscriptions_parked ON subscriptions (node_id, subscription_id) WHERE parked_at_ms IS NOT NULL;
