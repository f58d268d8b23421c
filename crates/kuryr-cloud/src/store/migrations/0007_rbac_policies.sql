-- What projects share with others. What was shared or external until now was so for all: that is a policy too.

CREATE TABLE rbac_policies (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

INSERT INTO rbac_policies (id, body)
WITH was (object_type, object_id, project_id, action) AS (
    SELECT 'network', id, body ->> '$.project_id', 'access_as_shared' FROM networks WHERE body ->> '$.shared'
    UNION ALL
    SELECT 'network', id, body ->> '$.project_id', 'access_as_external' FROM networks
        WHERE body ->> '$."router:external"'
    UNION ALL
    SELECT 'subnetpool', id, body ->> '$.project_id', 'access_as_shared' FROM subnetpools WHERE body ->> '$.shared'
)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-8'
             || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    json_object('object_type', object_type, 'object_id', object_id, 'project_id', project_id, 'action', action,
                'target_tenant', '*')
FROM was;

UPDATE rbac_policies SET body = json_set(body, '$.id', id);
UPDATE networks SET body = json_set(body, '$.shared', json('false')) WHERE body ->> '$.shared';
UPDATE subnetpools SET body = json_set(body, '$.shared', json('false')) WHERE body ->> '$.shared';
