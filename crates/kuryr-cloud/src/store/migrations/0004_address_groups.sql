-- Ranges of addresses that rules of security groups name together.

CREATE TABLE address_groups (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
