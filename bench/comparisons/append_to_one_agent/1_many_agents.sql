-- append_event, each session of an agent of its own
\set w random(1, 1)
\set n random(1, 10000)
SELECT * FROM parlant.append_event(('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid, 'customer_message',
                                   '{"message": "A table for four at eight?"}');
