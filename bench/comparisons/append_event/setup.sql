CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name)
VALUES ('00000000-0000-4000-8000-000000000000', 'acme', 'Bo');
INSERT INTO parlant.parlant_session (id, agent_id)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-4000-8000-000000000000'
FROM generate_series(1, 10000) n;
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
VACUUM ANALYZE;
