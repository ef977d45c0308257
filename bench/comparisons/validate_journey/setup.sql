CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'acme', 'Bo');
CREATE TABLE journey (states integer PRIMARY KEY, id uuid DEFAULT gen_random_uuid());
INSERT INTO journey VALUES (100), (1000), (10000);
INSERT INTO parlant.parlant_journey (id, workspace_id, agent_id, title, conditions)
SELECT id, 'acme', '00000000-0000-4000-8000-000000000001', 'Journey of ' || states, '["the customer orders"]' FROM journey;

-- A chain with a decision at every tenth state, from which a way also leads back.
INSERT INTO parlant.parlant_journey_state
    (id, workspace_id, journey_id, name, state_type, is_initial, is_final, chat_prompt, condition)
SELECT md5(states || ' ' || n)::uuid, 'acme', id, 'state ' || n,
       CASE WHEN n = states THEN 'final' WHEN n % 10 = 0 THEN 'decision' ELSE 'chat' END, n = 1, n = states,
       CASE WHEN n = states OR n % 10 <> 0 THEN 'Ask for detail ' || n || ' of the order.' END,
       CASE WHEN n <> states AND n % 10 = 0 THEN 'Is it a large order?' END
FROM journey, generate_series(1, states) AS n;
INSERT INTO parlant.parlant_journey_transition
    (workspace_id, journey_id, from_state_id, to_state_id, condition, condition_kind, priority)
SELECT 'acme', id, md5(states || ' ' || n)::uuid, md5(states || ' ' || n + step)::uuid, condition,
       CASE WHEN condition IS NULL THEN 'natural' ELSE 'expression' END, priority
FROM journey, generate_series(1, states - 1) AS n,
     LATERAL (VALUES (1, CASE n % 10 WHEN 0 THEN 'total > 100' END, 100), (-9, NULL, 50)) AS way (step, condition, priority)
WHERE step = 1 OR n % 10 = 0;
VACUUM ANALYZE;
