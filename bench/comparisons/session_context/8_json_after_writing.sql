-- enter_workspace and session_context_json in a transaction that has written, all sent together
-- client: driver
-- connect: user=application
\set n random(1, 100)
\startpipeline
BEGIN;
SELECT parlant.enter_workspace('workspace_1', 'user_1');
SELECT pg_current_xact_id();
SELECT parlant.session_context_json(('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid);
COMMIT;
\endpipeline
