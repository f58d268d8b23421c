-- QoS policies and their rules.

CREATE TABLE qos_policies (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE bandwidth_limits (
    id            TEXT PRIMARY KEY NOT NULL,
    body          TEXT NOT NULL CHECK (json_valid(body)),
    qos_policy_id TEXT NOT NULL REFERENCES qos_policies (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE dscp_markings (
    id            TEXT PRIMARY KEY NOT NULL,
    body          TEXT NOT NULL CHECK (json_valid(body)),
    qos_policy_id TEXT NOT NULL REFERENCES qos_policies (id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE INDEX limits_of_qos_policy ON bandwidth_limits (qos_policy_id);
CREATE INDEX markings_of_qos_policy ON dscp_markings (qos_policy_id);
