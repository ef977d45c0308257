CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'acme', 'Bo');
INSERT INTO parlant.parlant_term (agent_id, name, description, synonyms)
SELECT '00000000-0000-4000-8000-000000000001', 'product ' || n, 'What is sold in department ' || n, jsonb_build_array('article ' || n)
FROM generate_series(1, 10000) AS n;
VACUUM ANALYZE;
