-- enter_workspace and append_event in one statement
-- client: driver
-- connect: user=application
\set w random(1, 10)
\set n random(1, 1000)
SELECT appended.* FROM parlant.enter_workspace('workspace_' || :w::text, 'user_' || :w::text) AS permission,
LATERAL parlant.append_event(CASE WHEN permission IS NOT NULL THEN ('00000000-0000-4000-8000-' || lpad(:w::text, 4, '0') || lpad(:n::text, 8, '0'))::uuid END,
                             'customer_message', '{"message": "A table for four at eight?"}') AS appended;
