-- conventional, sending together what does not wait for an answer
-- client: driver
-- connect: user=application
\set w random(1, 10)
\set n random(1, 1000)
\startpipeline
BEGIN;
SELECT set_config('role', 'application', true), set_config('app.user_id', 'user_' || :w::text, true);
SELECT (coalesce(max("offset"), -1) + 1)::text AS next FROM conventional.event
WHERE session_id = ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid \gset
\endpipeline
\startpipeline
INSERT INTO conventional.event (workspace_id, session_id, "offset", event_type, content)
VALUES ('workspace_' || :w::text, ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid, :next::integer,
        'customer_message', '{"message": "A table for four at eight?"}') RETURNING id, created_at;
COMMIT;
\endpipeline
