-- the least: INSERT and UPDATE in copies with only a primary key, all sent together
-- client: driver
-- connect: user=application
\set n random(1, 100)
\startpipeline
BEGIN;
INSERT INTO bare_event (workspace_id, session_id, "offset", event_type, content)
VALUES ('workspace_1', ('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid, 0,
        'journey_transition', '{"kind": "advance", "from": "state 1", "to": "state 2"}');
UPDATE bare_session SET current_state_id = '00000000-0000-4000-8000-000000000000', event_count = event_count + 1
WHERE id = ('00000000-0000-4000-8000-0001' || lpad((:n::integer * 10)::text, 8, '0'))::uuid;
COMMIT;
\endpipeline
