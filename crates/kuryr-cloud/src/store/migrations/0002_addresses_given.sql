-- The address of a subnet that was given last: the search for the next one goes on behind it, so that one that was just
-- released rests for a whole round. The id is the subnet's.

CREATE TABLE addresses_given (
    id   TEXT PRIMARY KEY NOT NULL REFERENCES subnets (id) DEFERRABLE INITIALLY DEFERRED,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
