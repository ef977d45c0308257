-- INSERT into parlant_event
\set n random(1, 10000)
INSERT INTO parlant.parlant_event (session_id, event_type, content)
VALUES (('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, 'customer_message',
        '{"message": "A table for four at eight?"}');
