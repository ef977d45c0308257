CREATE EXTENSION parlant;
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
       (SELECT count(*) FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
        WHERE relnamespace = 'parlant'::regnamespace) AS policies,
       (SELECT extversion FROM pg_extension WHERE extname = 'parlant') AS version
FROM pg_tables WHERE schemaname = 'parlant';

\echo '── 2. People of a workspace, and a role for the application ──────────────────────'
\echo 'The application connects as an ordinary role. In each transaction it enters a workspace'
\echo 'for somebody; without that it sees nothing.'
SELECT grant_workspace('acme', 'olga', 'admin'), grant_workspace('rival', 'rita', 'admin') \g (format=unaligned tuples_only) /dev/null
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'parlant_tour_app') THEN
        CREATE ROLE parlant_tour_app;
    END IF;
    PERFORM parlant.grant_app_role('parlant_tour_app');
END $$;
SET ROLE parlant_tour_app;
BEGIN;
SELECT enter_workspace('acme', 'olga') AS permission;

\echo '── 3. An agent that knows how to behave ──────────────────────────────────────────'
INSERT INTO parlant_agent (workspace_id, name, description)
VALUES ('acme', 'Bo', 'Books tables at the Acme bistro') RETURNING id AS agent \gset
INSERT INTO parlant_guideline (agent_id, condition, action, priority)
VALUES (:'agent', 'the customer is angry', 'apologise once, then offer a human', 900);
INSERT INTO parlant_term (agent_id, name, description, synonyms)
VALUES (:'agent', 'no-show', 'A guest who booked and did not come', '["no show"]');
INSERT INTO parlant_canned_response (agent_id, template)
VALUES (:'agent', 'Table {{ table }} is booked for {{ guests }}.') RETURNING id AS response \gset
INSERT INTO parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
VALUES ('acme', 'book_table', 'Book a table', 'Books a table and returns its number', 'custom',
        '{"type": "object", "properties": {"guests": {"type": "integer", "minimum": 1}}, "required": ["guests"]}')
RETURNING id AS tool \gset
INSERT INTO parlant_agent_tool (agent_id, tool_id) VALUES (:'agent', :'tool');
\echo 'Its tools, as they can be handed to a model:'
SELECT jsonb_pretty(agent_tools(:'agent', 'openai') -> 0 -> 'function' -> 'parameters') AS parameters_of_book_table;

\echo '── 4. A journey that cannot be built wrong ───────────────────────────────────────'
SELECT '{"title": "Book a table", "conditions": ["the customer wants to book"],
    "states": [{"name": "ask", "type": "chat", "is_initial": true, "prompt": "How many guests, and when?"},
               {"name": "check", "type": "decision", "condition": "Is there a table that large?"},
               {"name": "book", "type": "tool", "tool_id": "book_table"},
               {"name": "done", "type": "final", "prompt": "See you!"},
               {"name": "call", "type": "final", "prompt": "Please call us."}],
    "transitions": [{"from": "ask", "to": "check", "condition": "guests and time are known"},
                    {"from": "check", "to": "book", "condition": "guests <= 8", "condition_kind": "expression", "priority": 200},
                    {"from": "check", "to": "call"},
                    {"from": "book", "to": "done"}]}' AS journey_document \gset
SELECT create_journey(:'agent', :'journey_document') AS journey \gset
\echo 'A document with mistakes is refused as a whole, and every mistake is named:'
SELECT severity, code, message
FROM validate_journey_definition(:'journey_document'::jsonb #- '{states,3}' #- '{transitions,2}');

\echo '── 5. A conversation ─────────────────────────────────────────────────────────────'
SELECT start_session(:'agent', customer_id => 'ada') AS session \gset
SELECT "offset" FROM append_event(:'session', 'customer_message', '{"message": "A table for four at eight? I am no no-show!"}') \gset
SELECT state_name AS "the session is in", prompt FROM enter_journey(:'session', :'journey');
\echo 'All that an engine needs for its turn comes in one call:'
SELECT context -> 'agent' ->> 'name' AS agent, jsonb_array_length(context -> 'guidelines') AS guidelines,
       jsonb_array_length(context -> 'tools') AS tools, jsonb_array_length(context -> 'terms') AS terms,
       jsonb_array_length(context -> 'journey' -> 'next_states') AS next_states, jsonb_array_length(context -> 'events') AS events
FROM (SELECT session_context(:'session') AS context) AS turn;
SELECT to_state_id AS check FROM next_states(:'session') \gset
\echo 'The model judges what is said, the database what can be computed; decisions are passed through:'
SELECT set_variable(:'agent', 'guests', '4', 'session', :'session') \g (format=unaligned tuples_only) /dev/null
SELECT state_name, state_type, tool_id FROM advance_journey(:'session', :'check');
\echo 'The tool is called within its schema and limits, and its result ends the journey:'
SELECT mapped_arguments AS call FROM call_tool(:'session', :'tool', '{"guests": 4}', 'call-1');
SELECT "offset" FROM finish_tool_call(:'session', 'call-1', '{"table": 7}') \gset
SELECT state_name, is_final FROM advance_journey(:'session');
SELECT render_canned_response(:'response', :'session', '{"table": 7}') AS reply \gset
SELECT "offset" FROM append_event(:'session', 'agent_message', jsonb_build_object('message', :'reply')) \gset
SELECT end_session(:'session', 'completed', 5) \g (format=unaligned tuples_only) /dev/null
SELECT "offset", event_type, left(content::text, 60) AS content FROM read_events(:'session');
COMMIT;

\echo '── 6. A workflow becomes a journey ───────────────────────────────────────────────'
BEGIN;
SELECT enter_workspace('acme', 'olga') AS permission \gset
SELECT start_session(:'agent', customer_id => 'ada') AS walk \gset
\if :{?workflow_file}
\set workflow `cat :'workflow_file'`
\else
SELECT '{"metadata": {"name": "Returns"}, "blocks": {
    "b1": {"type": "start_trigger", "name": "Start"},
    "b2": {"type": "agent", "name": "Ask", "subBlocks": {"userPrompt": {"value": "Ask for the price and what is broken."}}},
    "b3": {"type": "condition", "name": "Cheap?", "subBlocks": {"conditions": {"value": [
        {"id": "i", "title": "if", "value": "<ask.price> <= 20"}, {"id": "e", "title": "else", "value": ""}]}}},
    "b4": {"type": "api", "name": "Refund", "subBlocks": {"url": {"value": "https://shop.test/refunds/<ask.order>"}}},
    "b5": {"type": "agent", "name": "Hand over", "subBlocks": {"userPrompt": {"value": "A colleague will call."}}}},
    "edges": [{"source": "b1", "target": "b2"}, {"source": "b2", "target": "b3"},
              {"source": "b3", "target": "b4", "sourceHandle": "condition-i"},
              {"source": "b3", "target": "b5", "sourceHandle": "condition-e"},
              {"source": "b4", "target": "b5", "sourceHandle": "error"}]}' AS workflow \gset
SELECT set_variable(:'agent', 'ask', '{"price": 12}', 'session', :'walk') \g (format=unaligned tuples_only) /dev/null
\endif
SELECT journey_id AS imported, warnings AS warnings_of_import FROM import_workflow(:'agent', :'workflow') \gset
SELECT warning ->> 'code' AS warning, warning ->> 'block' AS block, warning ->> 'message' AS message
FROM jsonb_array_elements(:'warnings_of_import') AS warning;
\echo 'Its picture, in Mermaid. Conditions in JavaScript have become ones that the database judges:'
SELECT journey_diagram(:'imported') AS diagram \gset
\echo :diagram
\echo 'The tools that it calls; sessions may enter once they are there:'
INSERT INTO parlant_tool (workspace_id, name, display_name, description, tool_type, parameters)
SELECT DISTINCT 'acme', tool_id, tool_id, 'What a block of the workflow does', 'custom', '{}'::jsonb
FROM parlant_journey_state WHERE journey_id = :'imported' AND state_type = 'tool'
ON CONFLICT DO NOTHING
RETURNING name AS tool;
-- Of several ways the one that was taken least often, so that a walk comes to the end of every circle that has a way out.
CREATE FUNCTION pg_temp.walk(session uuid, journey uuid)
    RETURNS TABLE (step integer, state text, type text, says_or_calls text, goes_on text) LANGUAGE plpgsql AS $$
DECLARE
    here record;
    way record;
    taken uuid[] := '{}';
BEGIN
    SELECT * INTO here FROM enter_journey(session, journey);
    FOR n IN 1..100 LOOP
        SELECT next.*, count(*) OVER () AS ways INTO way
        FROM next_states(session) WITH ORDINALITY AS next
        WHERE holds IS NOT FALSE
        ORDER BY cardinality(array_positions(taken, transition_id)), holds DESC NULLS LAST, ordinality LIMIT 1;
        SELECT n, here.state_name, here.state_type, left(coalesce(here.prompt, here.tool_id), 50), CASE
            WHEN here.is_final THEN 'the end'
            WHEN n = 100 THEN 'round and round: the tour leaves here'
            WHEN way.ways = 1 AND way.holds THEN 'by itself'
            ELSE format('chosen of %s: %s', way.ways, coalesce(left(way.condition, 50), 'what always holds')) END
        INTO step, state, type, says_or_calls, goes_on;
        RETURN NEXT;
        EXIT WHEN here.is_final OR n = 100;
        taken := taken || way.transition_id;
        SELECT * INTO here FROM advance_journey(session, way.to_state_id);
    END LOOP;
END $$;
\echo 'A session walks it to the end. What an application and its model would judge, the tour chooses:'
SELECT * FROM pg_temp.walk(:'walk', :'imported');
COMMIT;

\echo '── 7. Workspaces that cannot see each other ──────────────────────────────────────'
BEGIN;
SELECT enter_workspace('rival', 'rita') AS permission;
SELECT (SELECT count(*) FROM parlant_agent) AS agents, (SELECT count(*) FROM parlant_event) AS events;
\echo 'Nor can rita take part in what she cannot see:'
\set ON_ERROR_STOP off
INSERT INTO parlant_event (session_id, event_type, content) VALUES (:'session', 'agent_message', '{"message": "Hi"}');
\if :ERROR
\else
    \echo 'This should have been refused.'
    \quit 3
\endif
\set ON_ERROR_STOP on
ROLLBACK;
RESET ROLE;

\echo
\echo '── 8. Data outlives code ─────────────────────────────────────────────────────────'
\echo 'The extension cannot be dropped from under its tables:'
\set VERBOSITY terse
\set ON_ERROR_STOP off
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
SELECT session_transcript(:'session') AS transcript \gset
\echo
\echo :transcript
