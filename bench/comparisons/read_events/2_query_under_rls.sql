-- the same query, under row-level security
-- connect: user=application
\set w random(1, 10)
\set n random(1, 100)
\startpipeline
BEGIN;
SELECT parlant.enter_workspace('workspace_' || :w::text, 'user_' || :w::text);
SELECT "offset", id, event_type, content, metadata, tool_call_id, journey_id, state_id, created_at
FROM parlant.parlant_event
WHERE workspace_id = 'workspace_' || :w::text AND session_id = ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid
ORDER BY workspace_id, session_id, "offset" LIMIT 100;
COMMIT;
\endpipeline
