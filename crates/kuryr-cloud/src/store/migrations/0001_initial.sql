-- Rows of the Networking API as JSON, and beside it the columns whose rules the database itself upholds:
-- no two ports of a network share a MAC address, no two ports of a subnet share an IP address.
-- Bodies are long, so their tables are in order of creation (rowid) and found through the index of ids.
-- References are checked at the commit, so the order of changes in a transaction does not matter.

CREATE TABLE networks (
    id   TEXT PRIMARY KEY NOT NULL,
    zone INTEGER NOT NULL UNIQUE CHECK (zone BETWEEN 1 AND 65535),
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE subnetpools (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE subnets (
    id            TEXT PRIMARY KEY NOT NULL,
    network_id    TEXT NOT NULL REFERENCES networks (id) DEFERRABLE INITIALLY DEFERRED,
    subnetpool_id TEXT REFERENCES subnetpools (id) DEFERRABLE INITIALLY DEFERRED,
    body          TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
CREATE INDEX subnets_of_network ON subnets (network_id);
CREATE INDEX subnets_of_pool ON subnets (subnetpool_id);

CREATE TABLE ports (
    id         TEXT PRIMARY KEY NOT NULL,
    network_id TEXT NOT NULL REFERENCES networks (id) DEFERRABLE INITIALLY DEFERRED,
    mac        TEXT NOT NULL,
    body       TEXT NOT NULL CHECK (json_valid(body)),
    UNIQUE (network_id, mac)
) STRICT;

-- ip: 4 or 16 octets in network order, so that addresses sort as numbers.
CREATE TABLE ip_allocations (
    subnet_id TEXT NOT NULL REFERENCES subnets (id) DEFERRABLE INITIALLY DEFERRED,
    ip        BLOB NOT NULL CHECK (length(ip) IN (4, 16)),
    port_id   TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (subnet_id, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX ip_allocations_of_port ON ip_allocations (port_id);

CREATE TABLE security_groups (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE security_group_rules (
    id                TEXT PRIMARY KEY NOT NULL,
    security_group_id TEXT NOT NULL REFERENCES security_groups (id) DEFERRABLE INITIALLY DEFERRED,
    body              TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
CREATE INDEX rules_of_group ON security_group_rules (security_group_id);

CREATE TABLE routers (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

-- What is not of the Networking API: users, signing keys.
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
