-- What hangs on presence is looked for at each start and whenever somebody comes or goes, and costs nothing where nothing does.
-- What cannot be read is in nobody's way.
CREATE INDEX subscriptions_temporary ON subscriptions (node_id, subscription_id)
    WHERE CASE WHEN json_valid(options) THEN options ->> 'is_temporary' = 1 END;

CREATE INDEX nodes_on_presence ON nodes (node_id)
    WHERE CASE WHEN json_valid(config) THEN config ->> 'temporary_subscriptions' = 1
                                         OR config ->> 'send_last_item' = 'on_subscribe_and_presence' END
      AND deleted_at_ms IS NULL;

CREATE INDEX nodes_purged_on_presence ON nodes (node_id)
    WHERE CASE WHEN json_valid(config) THEN config ->> 'purge_when_publisher_goes' = 1 END AND deleted_at_ms IS NULL;
