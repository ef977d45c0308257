-- a table with the same columns and only a primary key
\set n random(1, 100)
INSERT INTO bare_session (workspace_id, agent_id, customer_id)
VALUES ('acme', ('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, 'ada');
