-- reading
-- connect: user=unrestricted port=6432
-- protocol: simple
\set w random(1, 10)
\set n random(1, 1000)
BEGIN\; SELECT status, variables FROM parlant.parlant_session WHERE workspace_id = 'workspace_:w' AND id = format('00000000-0000-4000-8000-%s%s', lpad(:w::text, 4, '0'), lpad(:n::text, 8, '0'))::uuid\; COMMIT;
