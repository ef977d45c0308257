-- parlant_session with workspace_id filled from the agent
\set n random(1, 100)
INSERT INTO parlant.parlant_session (agent_id, customer_id)
VALUES (('00000000-0000-4000-8000-' || lpad(:n::text, 12, '0'))::uuid, 'ada');
