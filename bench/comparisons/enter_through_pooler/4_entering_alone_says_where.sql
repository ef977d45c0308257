-- entering and reading, which need not name the workspace
-- connect: user=application port=6432
-- protocol: simple
\set w random(1, 10)
\set n random(1, 1000)
BEGIN\; SELECT parlant.enter_workspace('workspace_:w', 'user_:w')\; SELECT status, variables FROM parlant.parlant_session WHERE id = format('00000000-0000-4000-8000-%s%s', lpad(:w::text, 4, '0'), lpad(:n::text, 8, '0'))::uuid\; COMMIT;
