-- parlant_session with workspace_id sent
\set n random(1, 100)
INSERT INTO parlant.parlant_session (workspace_id, agent_id, customer_id)
VALUES ('acme', ('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, 'ada');
