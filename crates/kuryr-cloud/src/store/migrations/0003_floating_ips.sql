-- Floating IPs, and single ports of them that are forwarded.

CREATE TABLE floating_ips (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE port_forwardings (
    id             TEXT PRIMARY KEY NOT NULL,
    floating_ip_id TEXT NOT NULL REFERENCES floating_ips (id) DEFERRABLE INITIALLY DEFERRED,
    body           TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
CREATE INDEX forwardings_of_floating_ip ON port_forwardings (floating_ip_id);
