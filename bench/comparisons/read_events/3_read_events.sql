-- read_events, without row-level security
\set w random(1, 10)
\set n random(1, 100)
\startpipeline
BEGIN;
SELECT parlant.enter_workspace('workspace_' || :w::text, 'user_' || :w::text);
SELECT * FROM parlant.read_events(('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid);
COMMIT;
\endpipeline
