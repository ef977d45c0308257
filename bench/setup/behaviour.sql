-- The first agent of each workspace gets 100 guidelines, 30 tools, 300 terms, 10 journeys of 30 states and 50 canned
-- responses. A hundred sessions of it in workspace 1 are in a state of its first journey, with 20 events.
\ir sessions.sql
SET session_replication_role = replica; -- for speed: the rows are as the triggers would make them
INSERT INTO parlant.parlant_guideline (workspace_id, agent_id, condition, action, priority, tool_ids)
SELECT workspace_id, id, 'The customer asks about topic ' || n || ' for the second time in this conversation',
       'Answer from the knowledge base, name the source, and offer to hand over to a colleague of team ' || n, 1 + n * 9, '[]'
FROM parlant.parlant_agent, generate_series(1, 100) AS n WHERE name = 'Agent 0';
INSERT INTO parlant.parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
SELECT 'workspace_' || w, 'tool_' || n, 'Tool ' || n, 'Looks up what the shop knows about matter ' || n || ' of an order', 'custom',
       '{"type": "object", "properties": {"order": {"type": "string", "minLength": 4}, "lines": {"type": "array",
         "items": {"type": "integer"}}, "urgent": {"type": "boolean"}}, "required": ["order"], "additionalProperties": false}'
FROM generate_series(1, 10) AS w, generate_series(1, 30) AS n;
INSERT INTO parlant.parlant_agent_tool (workspace_id, agent_id, tool_id, priority)
SELECT workspace_id, agent.id, tool.id, 100 FROM parlant.parlant_agent AS agent JOIN parlant.parlant_tool AS tool USING (workspace_id)
WHERE agent.name = 'Agent 0';
INSERT INTO parlant.parlant_term (workspace_id, agent_id, name, description, synonyms)
SELECT workspace_id, id, 'product ' || n, 'What the shop sells in department ' || n || ', as its catalogue describes it for customers',
       jsonb_build_array('article ' || n)
FROM parlant.parlant_agent, generate_series(1, 300) AS n WHERE name = 'Agent 0';
INSERT INTO parlant.parlant_canned_response (workspace_id, agent_id, template, category, priority)
SELECT workspace_id, id, 'Dear {{ customer }}, your order of product ' || n || ' leaves us tomorrow.', 'orders', 1 + n * 9
FROM parlant.parlant_agent, generate_series(1, 50) AS n WHERE name = 'Agent 0';
INSERT INTO parlant.parlant_variable (workspace_id, agent_id, key, scope, value, value_type)
SELECT workspace_id, id, 'setting_' || n, 'agent', to_jsonb(n), 'number'
FROM parlant.parlant_agent, generate_series(1, 10) AS n WHERE name = 'Agent 0';
RESET session_replication_role;

-- From each chat state three conditions lead on, of which the last holds; from the last state back to the first.
SELECT parlant.create_journey(agent.id, jsonb_build_object(
    'title', 'Journey ' || j, 'conditions', '["the customer orders"]'::jsonb,
    'states', (SELECT jsonb_agg(jsonb_build_object('name', 'state ' || s, 'type', 'chat', 'is_initial', s = 1,
                                                   'prompt', 'Ask for detail ' || s || ' of the order.'))
                      || '[{"name": "cancelled", "type": "final", "prompt": "It is cancelled."},
                           {"name": "escalated", "type": "final", "prompt": "A colleague takes over."}]'
               FROM generate_series(1, 28) AS s),
    'transitions', (SELECT jsonb_agg(jsonb_build_object('from', 'state ' || s, 'to', goal, 'condition', condition,
                                                        'condition_kind', 'expression', 'priority', priority))
                    FROM generate_series(1, 28) AS s,
                         LATERAL (VALUES ('cancelled', 'total < 0 || lines == 0', 300), ('escalated', 'total > 1000 && !member', 200),
                                         ('state ' || s % 28 + 1, 'total >= 10 && member', 100)) AS way (goal, condition, priority))))
FROM parlant.parlant_agent AS agent, generate_series(1, 10) AS j WHERE agent.name = 'Agent 0';

UPDATE parlant.parlant_session AS session SET customer_id = 'ada', variables = '{"customer": "Ada", "total": 40, "lines": 2, "member": true}'
FROM parlant.parlant_agent AS agent
WHERE agent.id = session.agent_id AND agent.name = 'Agent 0' AND agent.workspace_id = 'workspace_1';
SELECT FROM parlant.parlant_session AS session
JOIN parlant.parlant_journey AS journey ON journey.agent_id = session.agent_id AND journey.title = 'Journey 1',
    LATERAL parlant.enter_journey(session.id, journey.id)
WHERE session.workspace_id = 'workspace_1';
SELECT FROM parlant.parlant_session AS session,
    LATERAL parlant.append_events(session.id, (
        SELECT jsonb_agg(jsonb_build_object(
            'event_type', CASE n % 2 WHEN 0 THEN 'customer_message' ELSE 'agent_message' END, 'content',
            jsonb_build_object('message', 'I have ordered product ' || n || ' and article ' || n + 100 || ' last week, and would like to know when it leaves.')))
        FROM generate_series(1, 20) AS n))
WHERE session.workspace_id = 'workspace_1' AND session.current_journey_id IS NOT NULL;
