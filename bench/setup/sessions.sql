-- Ten workspaces of ten agents with a hundred sessions each. Session N of workspace W has the id 00000000-0000-4000-8000-WWWWNNNNNNNN,
-- and a user_W may write there, who is one of a hundred members.
CREATE EXTENSION parlant;
SELECT parlant.grant_app_role('application');

INSERT INTO parlant.parlant_agent (id, workspace_id, name)
SELECT format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad(a::text, 8, '0'))::uuid, 'workspace_' || w, 'Agent ' || a
FROM generate_series(1, 10) AS w, generate_series(0, 9) AS a;

INSERT INTO parlant.parlant_session (id, agent_id)
SELECT format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad(n::text, 8, '0'))::uuid,
       format('00000000-0000-4000-8000-%s%s', lpad(w::text, 4, '0'), lpad((n % 10)::text, 8, '0'))::uuid
FROM generate_series(1, 1000) AS n, generate_series(1, 10) AS w;

INSERT INTO parlant.parlant_workspace_member (workspace_id, user_id, permission)
SELECT 'workspace_' || w, 'user_' || w, 'write' FROM generate_series(1, 10) AS w;
INSERT INTO parlant.parlant_workspace_member (workspace_id, user_id, permission)
SELECT 'workspace_' || w, 'member_' || n, 'write' FROM generate_series(1, 10) AS w, generate_series(1, 99) AS n;
