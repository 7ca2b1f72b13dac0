-- Owners ask on which of their nodes somebody waits for them, and who (XEP-0060 §8.7).
CREATE INDEX subscriptions_pending ON subscriptions (node_id, subscription_id) WHERE state = 'pending';
