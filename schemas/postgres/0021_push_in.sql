-- Where pushes come in. Twin of the other stores' migrations with the same number.
CREATE TABLE push_inlets (
    inlet_id      text COLLATE "C" NOT NULL PRIMARY KEY, -- 32 hexadecimal digits
    owner         text COLLATE "C" NOT NULL,             -- a bare JID
    secret        text NOT NULL,                         -- 32 hexadecimal digits
    device_id     text COLLATE "C" UNIQUE REFERENCES push_devices (device_id) ON DELETE CASCADE, -- where it leads to: a device,
    node          text,                                  -- or a node,
    sender_key    bytea,                                 -- whose pushes are signed with this key: 65 bytes
    created_at_ms bigint NOT NULL
);
CREATE INDEX push_inlets_by_owner ON push_inlets (owner, inlet_id);
