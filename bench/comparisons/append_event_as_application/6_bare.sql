-- the least: INSERT into a copy with only a primary key, all sent together
-- client: driver
-- connect: user=application
\set w random(1, 10)
\set n random(1, 1000)
\startpipeline
BEGIN;
INSERT INTO bare_event (workspace_id, session_id, "offset", event_type, content)
VALUES ('workspace_' || :w::text, ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid, 0, 'customer_message',
        '{"message": "A table for four at eight?"}') RETURNING id, created_at;
COMMIT;
\endpipeline
