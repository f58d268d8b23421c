-- Rules that new security groups are born with, and those that there are until an operator changes them.

CREATE TABLE default_rules (
    id   TEXT PRIMARY KEY NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

INSERT INTO default_rules (id, body) VALUES
    ('5ecdefa0-0000-4000-8000-000000000001',
     '{"id":"5ecdefa0-0000-4000-8000-000000000001","direction":"egress","ethertype":"IPv4","used_in_default_sg":true,"used_in_non_default_sg":true}'),
    ('5ecdefa0-0000-4000-8000-000000000002',
     '{"id":"5ecdefa0-0000-4000-8000-000000000002","direction":"egress","ethertype":"IPv6","used_in_default_sg":true,"used_in_non_default_sg":true}'),
    ('5ecdefa0-0000-4000-8000-000000000003',
     '{"id":"5ecdefa0-0000-4000-8000-000000000003","direction":"ingress","ethertype":"IPv4","remote_group_id":"PARENT","used_in_default_sg":true,"used_in_non_default_sg":false}'),
    ('5ecdefa0-0000-4000-8000-000000000004',
     '{"id":"5ecdefa0-0000-4000-8000-000000000004","direction":"ingress","ethertype":"IPv6","remote_group_id":"PARENT","used_in_default_sg":true,"used_in_non_default_sg":false}');
