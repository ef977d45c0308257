-- reading the rows, 1000 states
-- counts: 1000 states
\startpipeline
SELECT name, state_type, is_initial, chat_prompt, tool_id, tool_config, condition, allow_skip, metadata
FROM parlant.parlant_journey_state WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 1000);
SELECT from_state_id, to_state_id, condition, condition_kind, priority
FROM parlant.parlant_journey_transition WHERE workspace_id = 'acme' AND journey_id = (SELECT id FROM journey WHERE states = 1000);
\endpipeline
