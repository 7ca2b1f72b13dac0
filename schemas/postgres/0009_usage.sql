-- What everybody has, for quotas. Twin of the other stores' migrations with the same number.
-- Moved in the transaction that makes, retires, adds or removes what is counted; locked before, in the order of the key.
-- It does not start with the node: it is about addresses, and no publish touches it.
CREATE TABLE usage (
    counted text COLLATE "C" NOT NULL, -- nodes, subscriptions
    scope   text COLLATE "C" NOT NULL, -- jid, domain, total
    owner   text COLLATE "C" NOT NULL, -- a bare JID, a domain, or nothing
    count   bigint NOT NULL,
    PRIMARY KEY (counted, scope, owner)
) WITH (fillfactor = 50);

WITH owned AS (
    SELECT 'nodes' AS counted, creator AS jid FROM nodes WHERE deleted_at_ms IS NULL
    UNION ALL
    SELECT 'subscriptions', bare_jid FROM subscriptions
)
INSERT INTO usage (counted, scope, owner, count)
SELECT counted, 'jid', jid, count(*) FROM owned GROUP BY counted, jid
UNION ALL
SELECT counted, 'domain', substr(jid, strpos(jid, '@') + 1), count(*) FROM owned GROUP BY counted, substr(jid, strpos(jid, '@') + 1)
UNION ALL
SELECT kinds.counted, 'total', '', count(owned.jid)
FROM (VALUES ('nodes'), ('subscriptions')) AS kinds (counted) LEFT JOIN owned ON owned.counted = kinds.counted
GROUP BY kinds.counted;
