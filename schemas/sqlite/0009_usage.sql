-- What everybody has, for quotas. Twin of the other stores' migrations with the same number.
-- Moved in the transaction that makes, retires, adds or removes what is counted.
CREATE TABLE usage (
    counted TEXT NOT NULL,    -- nodes, subscriptions
    scope   TEXT NOT NULL,    -- jid, domain, total
    owner   TEXT NOT NULL,    -- a bare JID, a domain, or nothing
    count   INTEGER NOT NULL,
    PRIMARY KEY (counted, scope, owner)
) STRICT, WITHOUT ROWID;

WITH owned AS (
    SELECT 'nodes' AS counted, creator AS jid FROM nodes WHERE deleted_at_ms IS NULL
    UNION ALL
    SELECT 'subscriptions', bare_jid FROM subscriptions
)
INSERT INTO usage (counted, scope, owner, count)
SELECT counted, 'jid', jid, count(*) FROM owned GROUP BY counted, jid
UNION ALL
SELECT counted, 'domain', substr(jid, instr(jid, '@') + 1), count(*) FROM owned GROUP BY counted, substr(jid, instr(jid, '@') + 1)
UNION ALL
SELECT counted, 'total', '', count(*) FROM owned GROUP BY counted;
