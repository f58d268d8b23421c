-- How many of each kind a project may have. The id is the project's, as a UUID.

CREATE TABLE quotas (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
