-- Trunks with their subports: each port is the parent of one at most.

CREATE TABLE trunks (
    id      TEXT PRIMARY KEY NOT NULL,
    body    TEXT NOT NULL CHECK (json_valid(body)),
    port_id TEXT NOT NULL UNIQUE REFERENCES ports (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
