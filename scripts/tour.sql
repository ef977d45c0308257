\set QUIET on
\set ON_ERROR_STOP on
\pset footer off
\pset null '∅'
SET client_min_messages = warning;
SET search_path = parlant, public;

\echo
\echo '── 1. The schema ─────────────────────────────────────────────────────────────────'
\echo 'CREATE EXTENSION parlant made these tables. They are yours: pg_dump treats them as any'
\echo 'table, and DROP EXTENSION cannot take them away.'
SELECT count(*) AS tables,
       (SELECT count(*) FROM pg_constraint WHERE connamespace = 'parlant'::regnamespace AND contype = 'f') AS foreign_keys,
       (SELECT count(*) FROM pg_constraint WHERE connamespace = 'parlant'::regnamespace AND contype = 'c') AS checks,
       (SELECT extversion FROM pg_extension WHERE extname = 'parlant') AS version
FROM pg_tables WHERE schemaname = 'parlant';

\echo '── 2. An agent in a workspace ────────────────────────────────────────────────────'
INSERT INTO parlant_agent (workspace_id, name, description)
VALUES ('acme', 'Bo', 'Books tables at the Acme bistro') RETURNING id AS agent \gset
INSERT INTO parlant_guideline (agent_id, condition, action, priority)
VALUES (:'agent', 'the customer is angry', 'apologise once, then offer a human', 900);
INSERT INTO parlant_term (agent_id, name, description) VALUES (:'agent', 'no-show', 'A guest who booked and did not come');
INSERT INTO parlant_canned_response (agent_id, template)
VALUES (:'agent', 'Your table for {{ guests }} is booked, {{ name }}.');
\echo 'A guideline, a glossary term and a canned response name only the agent; their workspace is filled in:'
SELECT name AS agent, guideline.workspace_id, condition, action
FROM parlant_guideline AS guideline JOIN parlant_agent AS agent ON agent.id = agent_id;

\echo '── 3. A tool with checked parameters ─────────────────────────────────────────────'
INSERT INTO parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
VALUES ('acme', 'book_table', 'Book a table', 'Books a table and returns its number', 'custom',
        '{"type": "object", "properties": {"guests": {"type": "integer", "minimum": 1}}, "required": ["guests"]}')
RETURNING id AS tool \gset
INSERT INTO parlant_agent_tool (agent_id, tool_id) VALUES (:'agent', :'tool');
\echo 'A schema with a typing error is refused; the database tells where it is:'
SELECT json_schema_error('{"properties": {"guests": {"type": "integre"}}}');

\echo '── 4. A journey that cannot be built wrong ───────────────────────────────────────'
INSERT INTO parlant_journey (agent_id, title, conditions)
VALUES (:'agent', 'Book a table', '["the customer wants to book"]') RETURNING id AS journey \gset
INSERT INTO parlant_journey_state (journey_id, name, state_type, chat_prompt, is_initial)
VALUES (:'journey', 'ask', 'chat', 'How many guests, and when?', true) RETURNING id AS ask \gset
INSERT INTO parlant_journey_state (journey_id, name, state_type, tool_id)
VALUES (:'journey', 'book', 'tool', 'book_table') RETURNING id AS book \gset
INSERT INTO parlant_journey_state (journey_id, name, state_type)
VALUES (:'journey', 'done', 'final') RETURNING id AS done \gset
INSERT INTO parlant_journey_transition (journey_id, from_state_id, to_state_id, condition)
VALUES (:'journey', :'ask', :'book', 'guests and time are known'), (:'journey', :'book', :'done', NULL);
SELECT f.name AS "from", coalesce(t.condition, 'always') AS condition, s.name AS "to", s.state_type, s.is_final
FROM parlant_journey_transition AS t
JOIN parlant_journey_state AS f ON f.id = from_state_id JOIN parlant_journey_state AS s ON s.id = to_state_id
ORDER BY t.created_at, t.id;
\echo 'Nothing can leave a final state:'
\set ON_ERROR_STOP off
INSERT INTO parlant_journey_transition (journey_id, from_state_id, to_state_id) VALUES (:'journey', :'done', :'ask');
\if :ERROR
\else
    \echo 'This should have been refused.'
    \quit 3
\endif
\set ON_ERROR_STOP on

\echo
\echo '── 5. A conversation ─────────────────────────────────────────────────────────────'
INSERT INTO parlant_session (agent_id, customer_id, current_journey_id, current_state_id)
VALUES (:'agent', 'ada', :'journey', :'ask') RETURNING id AS session \gset
INSERT INTO parlant_event (session_id, "offset", event_type, content, tool_call_id) VALUES
    (:'session', 0, 'customer_message', '{"message": "A table for four at eight?"}', NULL),
    (:'session', 1, 'tool_call', '{"tool_name": "book_table", "parameters": {"guests": 4}}', 'call-1'),
    (:'session', 2, 'tool_result', '{"result": {"table": 7}}', 'call-1'),
    (:'session', 3, 'agent_message', '{"message": "Your table for 4 is booked, Ada."}', NULL);
UPDATE parlant_session SET current_state_id = :'done' WHERE id = :'session';
INSERT INTO parlant_variable (agent_id, session_id, key, value) VALUES (:'agent', :'session', 'guests', '4');
SELECT "offset", event_type, coalesce(content ->> 'message', content ->> 'tool_name', content ->> 'result') AS what
FROM parlant_event WHERE session_id = :'session' ORDER BY "offset";

\echo '── 6. Workspaces that cannot touch each other ────────────────────────────────────'
INSERT INTO parlant_agent (workspace_id, name) VALUES ('rival', 'Zed') RETURNING id AS rival_agent \gset
\echo 'An agent of another workspace cannot be given the tool, not even by a superuser:'
\set ON_ERROR_STOP off
INSERT INTO parlant_agent_tool (agent_id, tool_id) VALUES (:'rival_agent', :'tool');
\if :ERROR
\else
    \echo 'This should have been refused.'
    \quit 3
\endif

\echo
\echo '── 7. Data outlives code ─────────────────────────────────────────────────────────'
\echo 'The extension cannot be dropped from under its tables:'
\set VERBOSITY terse
DROP EXTENSION parlant;
\if :ERROR
\else
    \echo 'This should have been refused.'
    \quit 3
\endif
\set VERBOSITY default
\set ON_ERROR_STOP on
\echo 'and even CASCADE keeps every row; CREATE EXTENSION then puts everything back in place:'
DROP EXTENSION parlant CASCADE;
SELECT count(*) AS events_kept FROM parlant_event;
CREATE EXTENSION parlant;
INSERT INTO parlant_event (session_id, "offset", event_type, content)
VALUES (:'session', 4, 'status_update', '{"message": "still filled in"}')
RETURNING workspace_id, "offset", event_type;
