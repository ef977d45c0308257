-- enter_workspace and append_event, all sent together
-- client: driver
-- connect: user=application
\set w random(1, 10)
\set n random(1, 1000)
\startpipeline
BEGIN;
SELECT parlant.enter_workspace('workspace_' || :w::text, 'user_' || :w::text);
SELECT * FROM parlant.append_event(('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid, 'customer_message',
                                   '{"message": "A table for four at eight?"}');
COMMIT;
\endpipeline
