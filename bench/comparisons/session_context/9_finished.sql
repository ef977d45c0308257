-- the least: reading the same document, which is there already, all sent together
-- client: driver
-- connect: user=application
\set n random(1, 100)
\startpipeline
BEGIN;
SELECT parlant.enter_workspace('workspace_1', 'user_1');
SELECT document::text FROM finished WHERE session_id = ('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid;
COMMIT;
\endpipeline
