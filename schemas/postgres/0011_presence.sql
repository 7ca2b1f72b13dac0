-- What hangs on presence is looked for at each start and whenever somebody comes or goes, and costs nothing where nothing does.
-- Twin of the other stores' migrations with the same number.
CREATE INDEX subscriptions_temporary ON subscriptions (node_id, subscription_id) WHERE options ->> 'is_temporary' = 'true';

CREATE INDEX nodes_on_presence ON nodes (node_id)
    WHERE (config ->> 'temporary_subscriptions' = 'true' OR config ->> 'send_last_item' = 'on_subscribe_and_presence')
      AND deleted_at_ms IS NULL;

CREATE INDEX nodes_purged_on_presence ON nodes (node_id)
    WHERE config ->> 'purge_when_publisher_goes' = 'true' AND deleted_at_ms IS NULL;
