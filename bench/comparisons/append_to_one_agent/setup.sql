-- Workspace 1 has an agent for each session, workspace 2 one for all.
CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name)
SELECT format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad(n::text, 8, '0'))::uuid, 'workspace_' || w, 'Agent ' || n
FROM generate_series(1, 2) AS w, generate_series(1, 10000) AS n WHERE w = 1 OR n = 1;
INSERT INTO parlant.parlant_session (id, agent_id)
SELECT format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad(n::text, 8, '0'))::uuid,
       format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad((CASE w WHEN 1 THEN n ELSE 1 END)::text, 8, '0'))::uuid
FROM generate_series(1, 10000) AS n, generate_series(1, 2) AS w;
VACUUM ANALYZE;
