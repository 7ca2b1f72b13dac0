-- What one entity has on all nodes is asked by its address (XEP-0060 §5.6, §5.7).
CREATE INDEX subscriptions_by_entity ON subscriptions (bare_jid, node_id, subscription_id);
CREATE INDEX affiliations_by_entity ON affiliations (jid, node_id);
