-- enter_workspace and session_context
-- client: driver
-- connect: user=application
\set n random(1, 100)
BEGIN;
SELECT parlant.enter_workspace('workspace_1', 'user_1');
SELECT parlant.session_context(('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid)::text;
COMMIT;
