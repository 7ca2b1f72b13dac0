-- Where pushes come in. Twin of the other stores' migrations with the same number.
CREATE TABLE push_inlets (
    inlet_id      TEXT NOT NULL PRIMARY KEY, -- 32 hexadecimal digits
    owner         TEXT NOT NULL,             -- a bare JID
    secret        TEXT NOT NULL,             -- 32 hexadecimal digits
    device_id     TEXT UNIQUE,               -- where it leads to: a device,
    node          TEXT,                      -- or a node,
    sender_key    BLOB,                      -- whose pushes are signed with this key: 65 bytes
    created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX push_inlets_by_owner ON push_inlets (owner, inlet_id);
CREATE TRIGGER push_inlets_go_with_devices AFTER DELETE ON push_devices BEGIN
    DELETE FROM push_inlets WHERE device_id = old.device_id;
END;
