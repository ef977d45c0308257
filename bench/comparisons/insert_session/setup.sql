CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'acme', 'Agent ' || n FROM generate_series(1, 100) n;
CREATE TABLE bare_session (LIKE parlant.parlant_session INCLUDING DEFAULTS, PRIMARY KEY (id));
VACUUM ANALYZE;
