-- INSERT into a copy with only a primary key
\set n random(1, 10000)
INSERT INTO bare_event (workspace_id, session_id, "offset", event_type, content)
VALUES ('acme', ('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, 0, 'customer_message',
        '{"message": "A table for four at eight?"}');
