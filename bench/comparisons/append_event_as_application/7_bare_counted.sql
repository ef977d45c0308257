-- the least that counts: INSERT and UPDATE in copies with only a primary key, all sent together
-- client: driver
-- connect: user=application
\set w random(1, 10)
\set n random(1, 1000)
\startpipeline
BEGIN;
UPDATE bare_session SET event_count = event_count + 1, message_count = message_count + 1
WHERE id = ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid;
INSERT INTO bare_event (workspace_id, session_id, "offset", event_type, content)
VALUES ('workspace_' || :w::text, ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid, 0, 'customer_message',
        '{"message": "A table for four at eight?"}') RETURNING id, created_at;
COMMIT;
\endpipeline
