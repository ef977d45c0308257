-- Journeys. What algorithms decide stands in Rust; here rows are read, and documents become rows.

COMMENT ON FUNCTION parlant.validate_journey_definition(jsonb, jsonb) IS
    'What is wrong with a journey document, one row a finding: errors first, then warnings, then infos. '
    'The second argument tells the status of the tools that states name: usable, unknown, disabled or not_assigned.';
COMMENT ON FUNCTION parlant.checked_journey_definition(jsonb) IS
    'The normal form of a journey document; an error that tells all that is wrong with it if it has errors.';
COMMENT ON FUNCTION parlant.journey_findings(uuid) IS
    'Internal: what is wrong with a stored journey. Call validate_journey.';
COMMENT ON FUNCTION parlant.draw_journey(jsonb, text) IS
    'A journey document as Mermaid text, with the state of a name highlighted.';
COMMENT ON FUNCTION parlant.evaluate_condition(text, jsonb) IS
    'Whether a CEL expression holds for variables, a JSON object. What asks for a variable that is missing does not hold.';
COMMENT ON FUNCTION parlant.judge_condition(text, jsonb) IS
    'Whether a CEL expression holds, which variables it misses, and what is wrong with it; it never fails.';

COMMENT ON FUNCTION parlant.enter_journey(uuid, uuid) IS
    'Begins a walk: brings a session into the initial state of a journey of its agent, which must be enabled and without '
    'errors, and on through decisions. Returns where the session is now, and the hops that led there.';
COMMENT ON FUNCTION parlant.advance_journey(uuid, uuid, jsonb, uuid) IS
    'Moves a session to the next state: the one that is named, or the best one whose transition has no condition or an '
    'expression that holds, and on through decisions. Variables are laid over those of the session. With an expected '
    'state the session moves only if it is in that one.';
COMMENT ON FUNCTION parlant.skip_state(uuid) IS
    'Moves a session on although what its state waits for has not come, where journey and state allow it.';
COMMENT ON FUNCTION parlant.revisit_state(uuid, uuid) IS
    'Moves a session back to a state that it has been in on this walk, where the journey allows it.';
COMMENT ON FUNCTION parlant.exit_journey(uuid, text) IS
    'Takes a session out of its journey, logs the reason, and returns the state that it left.';

CREATE FUNCTION parlant.create_journey(agent_id uuid, definition jsonb) RETURNS uuid
    LANGUAGE plpgsql AS $$
DECLARE
    accepted jsonb := parlant.checked_journey_definition(definition);
    workspace text;
    journey uuid;
BEGIN
    IF accepted ? 'replaced_states' THEN
        RAISE EXCEPTION 'the definition of a new journey has "replaced_states"' USING
            ERRCODE = '22030',
            DETAIL = 'It tells where sessions go on whose state is removed, and a new journey has none.',
            HINT = 'Leave it out, or call parlant.replace_journey.';
    END IF;
    SELECT agent.workspace_id INTO workspace FROM parlant.parlant_agent AS agent
    WHERE agent.id = create_journey.agent_id AND agent.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('agent', agent_id::text);
    END IF;
    INSERT INTO parlant.parlant_journey AS made
        (workspace_id, agent_id, title, description, conditions, enabled, allow_skipping, allow_revisiting)
    VALUES (workspace, create_journey.agent_id, accepted ->> 'title', accepted ->> 'description',
            coalesce(accepted -> 'conditions', '[]'), coalesce((accepted ->> 'enabled')::boolean, true),
            coalesce((accepted ->> 'allow_skipping')::boolean, true),
            coalesce((accepted ->> 'allow_revisiting')::boolean, true))
    RETURNING made.id INTO journey;
    PERFORM parlant.store_journey_graph(workspace, journey, accepted);
    RETURN journey;
END $$;
COMMENT ON FUNCTION parlant.create_journey(uuid, jsonb) IS
    'Creates a journey of an agent from one JSON document with its states and transitions, all or nothing, and returns '
    'its id. An error tells all that is wrong with the document, each with its place.';

CREATE FUNCTION parlant.replace_journey(journey_id uuid, definition jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    accepted jsonb := parlant.checked_journey_definition(definition);
    workspace text;
BEGIN
    -- Replacements of a journey, and other changes of its states, go one after another.
    SELECT journey.workspace_id INTO workspace FROM parlant.parlant_journey AS journey
    WHERE journey.id = replace_journey.journey_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('journey', journey_id::text);
    END IF;
    UPDATE parlant.parlant_journey AS journey
    SET title = accepted ->> 'title',
        description = accepted ->> 'description',
        conditions = coalesce(accepted -> 'conditions', '[]'),
        enabled = coalesce((accepted ->> 'enabled')::boolean, true),
        allow_skipping = coalesce((accepted ->> 'allow_skipping')::boolean, true),
        allow_revisiting = coalesce((accepted ->> 'allow_revisiting')::boolean, true)
    WHERE journey.workspace_id = workspace AND journey.id = replace_journey.journey_id;
    PERFORM parlant.store_journey_graph(workspace, journey_id, accepted);
END $$;
COMMENT ON FUNCTION parlant.replace_journey(uuid, jsonb) IS
    'Makes a journey what a JSON document says. States that keep their name and transitions that keep their states and '
    'condition keep their id. A state in which an active session rests goes only if "replaced_states" names another.';

CREATE FUNCTION parlant.store_journey_graph(workspace text, journey uuid, definition jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    -- Objects instead of joins: a journey may be large, and nobody has counted its rows yet for the planner.
    wanted_states jsonb := (SELECT jsonb_object_agg(element ->> 'name', element)
                            FROM jsonb_array_elements(definition -> 'states') AS element);
    wanted_transitions jsonb := coalesce(definition -> 'transitions', '[]');
    initial_name text := (SELECT element ->> 'name' FROM jsonb_array_elements(definition -> 'states') AS element
                          WHERE (element ->> 'is_initial')::boolean);
    is_lone boolean := jsonb_array_length(definition -> 'states') = 1;
    ids jsonb;
    there jsonb;
    kept jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(state.name, state.id), '{}') INTO ids
    FROM parlant.parlant_journey_state AS state WHERE state.workspace_id = workspace AND state.journey_id = journey;

    SELECT coalesce(jsonb_object_agg(
               jsonb_build_array(transition.from_state_id, transition.to_state_id, transition.condition)::text,
               jsonb_build_object('id', transition.id, 'place', place)), '{}')
    INTO there
    FROM (SELECT *, row_number() OVER (ORDER BY created_at, id) AS place FROM parlant.parlant_journey_transition
          WHERE workspace_id = workspace AND journey_id = journey) AS transition;

    -- Transitions that are tried at the same priority are tried in the order of their making. So of those that are
    -- there already only the ones stay that are in the order of the document from the first one on.
    SELECT coalesce(jsonb_object_agg(found ->> 'id', element) FILTER (WHERE stays), '{}') INTO kept
    FROM (SELECT element, found, bool_and(found IS NOT NULL AND is_in_place)
                                     OVER (PARTITION BY from_name, priority ORDER BY n) AS stays
          FROM (SELECT *, row_number() OVER (PARTITION BY from_name, priority ORDER BY (found ->> 'place')::bigint)
                          = row_number() OVER (PARTITION BY from_name, priority ORDER BY n) AS is_in_place
                FROM (SELECT n, element, element ->> 'from' AS from_name, element -> 'priority' AS priority,
                             there -> jsonb_build_array(ids -> (element ->> 'from'), ids -> (element ->> 'to'),
                                                        element ->> 'condition')::text AS found
                      FROM jsonb_array_elements(wanted_transitions) WITH ORDINALITY AS listed (element, n)) AS matched
               ) AS placed) AS judged;

    DELETE FROM parlant.parlant_journey_transition AS transition
    WHERE transition.workspace_id = workspace AND transition.journey_id = journey
      AND NOT kept ? transition.id::text;
    UPDATE parlant.parlant_journey_transition AS transition
    SET condition_kind = coalesce(kept -> transition.id::text ->> 'condition_kind', 'natural'),
        priority = coalesce((kept -> transition.id::text ->> 'priority')::integer, 100)
    WHERE transition.workspace_id = workspace AND transition.journey_id = journey
      AND (transition.condition_kind, transition.priority)
          <> (coalesce(kept -> transition.id::text ->> 'condition_kind', 'natural'),
              coalesce((kept -> transition.id::text ->> 'priority')::integer, 100));

    -- Until the others are in place there is no initial state, so that no step of this breaks a rule about it.
    UPDATE parlant.parlant_journey_state AS state SET is_initial = false
    WHERE state.workspace_id = workspace AND state.journey_id = journey AND state.is_initial
      AND (is_lone OR state.name <> initial_name);

    UPDATE parlant.parlant_journey_state AS state
    SET state_type = wanted ->> 'type', is_final = wanted ->> 'type' = 'final', chat_prompt = wanted ->> 'prompt',
        tool_id = wanted ->> 'tool_id', tool_config = wanted -> 'tool_config', condition = wanted ->> 'condition',
        allow_skip = coalesce((wanted ->> 'allow_skip')::boolean, true), metadata = coalesce(wanted -> 'metadata', '{}')
    FROM (SELECT id, wanted_states -> name AS wanted FROM parlant.parlant_journey_state
          WHERE workspace_id = workspace AND journey_id = journey AND wanted_states ? name) AS there
    WHERE state.id = there.id
      AND (state.state_type::text, state.chat_prompt, state.tool_id, state.tool_config, state.condition,
           state.allow_skip, state.metadata)
          IS DISTINCT FROM
          (wanted ->> 'type', wanted ->> 'prompt', wanted ->> 'tool_id', wanted -> 'tool_config',
           wanted ->> 'condition', coalesce((wanted ->> 'allow_skip')::boolean, true),
           coalesce(wanted -> 'metadata', '{}'));

    INSERT INTO parlant.parlant_journey_state
        (workspace_id, journey_id, name, state_type, is_final, chat_prompt, tool_id, tool_config, condition, allow_skip,
         metadata)
    SELECT workspace, journey, element ->> 'name', element ->> 'type', element ->> 'type' = 'final',
           element ->> 'prompt', element ->> 'tool_id', element -> 'tool_config', element ->> 'condition',
           coalesce((element ->> 'allow_skip')::boolean, true), coalesce(element -> 'metadata', '{}')
    FROM jsonb_array_elements(definition -> 'states') WITH ORDINALITY AS listed (element, n)
    WHERE NOT ids ? (element ->> 'name')
    ORDER BY n;

    PERFORM parlant.leave_removed_states(workspace, journey, wanted_states,
                                         coalesce(definition -> 'replaced_states', '{}'));
    DELETE FROM parlant.parlant_journey_state AS state
    WHERE state.workspace_id = workspace AND state.journey_id = journey AND NOT wanted_states ? state.name;

    UPDATE parlant.parlant_journey_state AS state SET is_initial = true
    WHERE state.workspace_id = workspace AND state.journey_id = journey AND state.name = initial_name
      AND NOT state.is_initial;

    SELECT jsonb_object_agg(state.name, state.id) INTO ids
    FROM parlant.parlant_journey_state AS state WHERE state.workspace_id = workspace AND state.journey_id = journey;
    SELECT coalesce(jsonb_object_agg(
               jsonb_build_array(transition.from_state_id, transition.to_state_id, transition.condition)::text, true), '{}')
    INTO there
    FROM parlant.parlant_journey_transition AS transition
    WHERE transition.workspace_id = workspace AND transition.journey_id = journey;

    INSERT INTO parlant.parlant_journey_transition
        (workspace_id, journey_id, from_state_id, to_state_id, condition, condition_kind, priority)
    SELECT workspace, journey, (ids ->> (element ->> 'from'))::uuid, (ids ->> (element ->> 'to'))::uuid,
           element ->> 'condition', coalesce(element ->> 'condition_kind', 'natural'),
           coalesce((element ->> 'priority')::integer, 100)
    FROM jsonb_array_elements(wanted_transitions) WITH ORDINALITY AS listed (element, n)
    WHERE NOT there ? jsonb_build_array(ids -> (element ->> 'from'), ids -> (element ->> 'to'),
                                        element ->> 'condition')::text
    ORDER BY n;
END $$;
COMMENT ON FUNCTION parlant.store_journey_graph(text, uuid, jsonb) IS
    'Makes the states and transitions of a journey what a checked document says; part of create_journey and replace_journey.';

CREATE FUNCTION parlant.leave_removed_states(workspace text, journey uuid, wanted_states jsonb, replaced_states jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    removed uuid[];
    stranded record;
    moved record;
    strange text;
BEGIN
    SELECT array_agg(state.id) INTO removed FROM parlant.parlant_journey_state AS state
    WHERE state.workspace_id = workspace AND state.journey_id = journey AND NOT wanted_states ? state.name;

    SELECT key INTO strange FROM jsonb_object_keys(replaced_states) AS key
    WHERE NOT EXISTS (SELECT FROM parlant.parlant_journey_state AS state
                      WHERE state.workspace_id = workspace AND state.journey_id = journey
                        AND state.id = ANY (removed) AND state.name = key)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'state "%" in "replaced_states" is not one that is removed', strange USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Its keys are the names of states that the journey has and the definition has not.',
            HINT = 'Remove it from "replaced_states", or from "states".';
    END IF;
    IF removed IS NULL THEN
        RETURN;
    END IF;

    -- First the sessions, then the states, as a session that moves does it: it locks itself, and its new state by the
    -- foreign key. After this nothing comes into a state that goes.
    PERFORM FROM parlant.parlant_session AS session
    WHERE session.workspace_id = workspace AND session.current_journey_id = journey
      AND session.current_state_id = ANY (removed) AND session.status = 'active'
    ORDER BY session.id
    FOR NO KEY UPDATE;
    PERFORM FROM parlant.parlant_journey_state AS state
    WHERE state.workspace_id = workspace AND state.journey_id = journey AND state.id = ANY (removed)
    ORDER BY state.id
    FOR UPDATE;

    SELECT state.name, count(*) AS sessions INTO stranded
    FROM parlant.parlant_session AS session
    JOIN parlant.parlant_journey_state AS state
      ON state.workspace_id = session.workspace_id AND state.journey_id = session.current_journey_id
     AND state.id = session.current_state_id
    WHERE session.workspace_id = workspace AND session.current_journey_id = journey
      AND session.current_state_id = ANY (removed) AND session.status = 'active'
      AND NOT replaced_states ? state.name
    GROUP BY state.name ORDER BY state.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'state "%" cannot be removed', stranded.name USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Active sessions that rest in it: %s.', stranded.sessions),
            HINT = format('Name the state in which they go on: "replaced_states": {%s: "…"}.', to_jsonb(stranded.name));
    END IF;
    FOR moved IN
        SELECT session.id AS session_id, left_state.id AS from_id, left_state.name AS from_name,
               next_state.id AS to_id, next_state.name AS to_name, next_state.is_final
        FROM parlant.parlant_session AS session
        JOIN parlant.parlant_journey_state AS left_state
          ON left_state.workspace_id = workspace AND left_state.journey_id = journey
         AND left_state.id = session.current_state_id
        JOIN parlant.parlant_journey_state AS next_state
          ON next_state.workspace_id = workspace AND next_state.journey_id = journey
         AND next_state.name = replaced_states ->> left_state.name
        WHERE session.workspace_id = workspace AND session.current_journey_id = journey
          AND session.current_state_id = ANY (removed) AND session.status = 'active'
        ORDER BY session.id
    LOOP
        UPDATE parlant.parlant_session AS session SET current_state_id = moved.to_id
        WHERE session.workspace_id = workspace AND session.id = moved.session_id;
        INSERT INTO parlant.parlant_event (workspace_id, session_id, event_type, content, journey_id, state_id)
        VALUES (workspace, moved.session_id, 'journey_transition', jsonb_build_object(
                    'kind', 'replace', 'journey_id', journey, 'from', moved.from_name, 'from_state_id', moved.from_id,
                    'to', moved.to_name, 'to_state_id', moved.to_id, 'completes', moved.is_final),
                journey, moved.to_id);
    END LOOP;
END $$;
COMMENT ON FUNCTION parlant.leave_removed_states(text, uuid, jsonb, jsonb) IS
    'Takes sessions out of the states that a document removes, or refuses to; part of replace_journey.';

CREATE FUNCTION parlant.journey_definition(journey_id uuid) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    journey record;
    document jsonb;
    names jsonb;
BEGIN
    SELECT * INTO journey FROM parlant.parlant_journey WHERE id = journey_definition.journey_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('journey', journey_id::text);
    END IF;
    SELECT jsonb_object_agg(key, value) INTO document
    FROM (VALUES ('title', to_jsonb(journey.title), NULL),
                 ('description', to_jsonb(journey.description), NULL),
                 ('conditions', journey.conditions, '[]'),
                 ('enabled', to_jsonb(journey.enabled), 'true'),
                 ('allow_skipping', to_jsonb(journey.allow_skipping), 'true'),
                 ('allow_revisiting', to_jsonb(journey.allow_revisiting), 'true')) AS member (key, value, usual)
    WHERE value IS DISTINCT FROM usual::jsonb;
    SELECT jsonb_object_agg(state.id, state.name) INTO names
    FROM parlant.parlant_journey_state AS state
    WHERE state.workspace_id = journey.workspace_id AND state.journey_id = journey.id;

    RETURN document || jsonb_build_object(
        'states', (
            SELECT coalesce(jsonb_agg(member.document ORDER BY state.created_at, state.id), '[]')
            FROM parlant.parlant_journey_state AS state
            CROSS JOIN LATERAL (
                SELECT jsonb_object_agg(key, value)
                FROM (VALUES ('name', to_jsonb(state.name), NULL),
                             ('type', to_jsonb(state.state_type::text), NULL),
                             ('is_initial', to_jsonb(state.is_initial), 'false'),
                             ('prompt', to_jsonb(state.chat_prompt), NULL),
                             ('tool_id', to_jsonb(state.tool_id), NULL),
                             ('tool_config', state.tool_config, NULL),
                             ('condition', to_jsonb(state.condition), NULL),
                             ('allow_skip', to_jsonb(state.allow_skip), 'true'),
                             ('metadata', coalesce(state.metadata, '{}'), '{}')) AS member (key, value, usual)
                WHERE value IS DISTINCT FROM usual::jsonb) AS member (document)
            WHERE state.workspace_id = journey.workspace_id AND state.journey_id = journey.id))
        || coalesce((
            SELECT jsonb_build_object('transitions',
                                      jsonb_agg(member.document ORDER BY transition.created_at, transition.id))
            FROM parlant.parlant_journey_transition AS transition
            CROSS JOIN LATERAL (
                SELECT jsonb_object_agg(key, value)
                FROM (VALUES ('from', names -> transition.from_state_id::text, NULL),
                             ('to', names -> transition.to_state_id::text, NULL),
                             ('condition', to_jsonb(transition.condition), NULL),
                             ('condition_kind', to_jsonb(transition.condition_kind), '"natural"'),
                             ('priority', to_jsonb(transition.priority), '100')) AS member (key, value, usual)
                WHERE value IS DISTINCT FROM usual::jsonb) AS member (document)
            WHERE transition.workspace_id = journey.workspace_id AND transition.journey_id = journey.id
            HAVING count(*) > 0), '{}');
END $$;
COMMENT ON FUNCTION parlant.journey_definition(uuid) IS
    'A journey as the JSON document that makes it, in its normal form: keys that hold their default are left out.';

CREATE FUNCTION parlant.journey_tools(journey_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(named.tool_id, CASE
               WHEN tool.id IS NULL THEN 'unknown'
               WHEN NOT tool.enabled THEN 'disabled'
               WHEN EXISTS (SELECT FROM parlant.parlant_agent_tool AS assigned
                            WHERE assigned.workspace_id = named.workspace_id AND assigned.agent_id = named.agent_id
                              AND assigned.tool_id = tool.id AND assigned.enabled) THEN 'usable'
               ELSE 'not_assigned' END), '{}')
    FROM (SELECT DISTINCT journey.workspace_id, journey.agent_id, state.tool_id
          FROM parlant.parlant_journey AS journey
          JOIN parlant.parlant_journey_state AS state
            ON state.workspace_id = journey.workspace_id AND state.journey_id = journey.id
          WHERE journey.id = journey_tools.journey_id AND state.state_type = 'tool' AND state.tool_id IS NOT NULL) AS named
    LEFT JOIN LATERAL (
        SELECT tool.id, tool.enabled FROM parlant.parlant_tool AS tool
        WHERE tool.workspace_id = named.workspace_id
          AND tool.id = CASE WHEN named.tool_id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
                             THEN named.tool_id::uuid END
        UNION ALL
        SELECT tool.id, tool.enabled FROM parlant.parlant_tool AS tool
        WHERE tool.workspace_id = named.workspace_id AND tool.name = named.tool_id
        LIMIT 1) AS tool ON true
$$;
COMMENT ON FUNCTION parlant.journey_tools(uuid) IS
    'The tools that the states of a journey name, by id or by name in the workspace, each with its status: usable, '
    'unknown, disabled or not_assigned.';

CREATE FUNCTION parlant.validate_journey(journey_id uuid)
    RETURNS TABLE (severity text, code text, state text, transition text, message text, hint text, path text)
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 10 AS $$
BEGIN
    RETURN QUERY SELECT * FROM parlant.journey_findings(journey_id);
END $$;
COMMENT ON FUNCTION parlant.validate_journey(uuid) IS
    'What is wrong with a journey, one row a finding: errors, which keep sessions from entering it, then warnings, then infos.';

CREATE FUNCTION parlant.journey_diagram(journey_id uuid, session_id uuid DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT parlant.draw_journey(
        parlant.journey_definition(journey_diagram.journey_id),
        (SELECT state.name FROM parlant.parlant_session AS session
         JOIN parlant.parlant_journey_state AS state
           ON state.workspace_id = session.workspace_id AND state.journey_id = session.current_journey_id
          AND state.id = session.current_state_id
         WHERE session.id = journey_diagram.session_id AND state.journey_id = journey_diagram.journey_id))
$$;
COMMENT ON FUNCTION parlant.journey_diagram(uuid, uuid) IS
    'A journey as Mermaid text: states shaped by type, conditions on the transitions, dotted where the application judges '
    'them. The state in which the session rests, if one is given, is highlighted.';

CREATE FUNCTION parlant.condition_variables_over(session_id uuid, known jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (
        SELECT known
            || jsonb_build_object('session', jsonb_build_object(
                   'id', session.id, 'agent_id', session.agent_id, 'user_id', session.user_id,
                   'customer_id', session.customer_id, 'mode', session.mode, 'title', session.title,
                   'metadata', coalesce(session.metadata, '{}'), 'session_type', session.session_type,
                   'tags', coalesce(session.tags, '[]'), 'locale', session.locale, 'timezone', session.timezone,
                   'event_count', session.event_count, 'message_count', session.message_count))
            || coalesce((SELECT jsonb_build_object('journey', jsonb_build_object(
                             'id', journey.id, 'title', journey.title))
                         FROM parlant.parlant_journey AS journey
                         WHERE journey.workspace_id = session.workspace_id AND journey.id = session.current_journey_id), '{}')
            || coalesce((SELECT jsonb_build_object('message', coalesce(
                             event.content -> 'message', event.content -> 'text', event.content -> 'content'))
                         FROM parlant.parlant_event AS event
                         WHERE event.workspace_id = session.workspace_id AND event.session_id = session.id
                           AND event.event_type = 'customer_message'
                         ORDER BY event."offset" DESC LIMIT 1), '{}')
        FROM parlant.parlant_session AS session
        WHERE session.id = condition_variables_over.session_id);
END $$;
COMMENT ON FUNCTION parlant.condition_variables_over(uuid, jsonb) IS
    'Internal: variables with session, journey and message over them. Call condition_variables.';

CREATE FUNCTION parlant.condition_variables(session_id uuid, variables jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN parlant.condition_variables_over(session_id, parlant.session_variables(session_id) || coalesce(variables, '{}'));
END $$;
COMMENT ON FUNCTION parlant.condition_variables(uuid, jsonb) IS
    'What conditions can ask for: the variables of a session, those given over them, and session, journey and message, '
    'the text of the last customer message.';

CREATE FUNCTION parlant.states_from(workspace_id text, journey_id uuid, state_id uuid, known jsonb)
    RETURNS TABLE (transition_id uuid, to_state_id uuid, state_name text, state_type text, condition text,
                   condition_kind text, priority integer, holds boolean, missing jsonb, problem text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 5 AS $$
    SELECT transition.id, state.id, state.name, state.state_type::text, transition.condition, transition.condition_kind,
           transition.priority, CASE WHEN transition.condition IS NULL THEN true ELSE judged.holds END,
           coalesce(judged.missing, '[]'), judged.problem
    FROM parlant.parlant_journey_transition AS transition
    JOIN parlant.parlant_journey_state AS state
      ON state.workspace_id = transition.workspace_id AND state.journey_id = transition.journey_id
     AND state.id = transition.to_state_id
    LEFT JOIN LATERAL parlant.judge_condition(
        CASE WHEN transition.condition_kind = 'expression' THEN transition.condition END, states_from.known) AS judged ON true
    WHERE transition.workspace_id = states_from.workspace_id AND transition.journey_id = states_from.journey_id
      AND transition.from_state_id = states_from.state_id
    ORDER BY transition.priority DESC, transition.created_at, transition.id
$$;
COMMENT ON FUNCTION parlant.states_from(text, uuid, uuid, jsonb) IS
    'Internal: where the transitions from a state lead. Call next_states.';

CREATE FUNCTION parlant.next_states(session_id uuid, variables jsonb DEFAULT NULL)
    RETURNS TABLE (transition_id uuid, to_state_id uuid, state_name text, state_type text, condition text,
                   condition_kind text, priority integer, holds boolean, missing jsonb, problem text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5 AS $$
#variable_conflict use_column
DECLARE
    position record;
    -- A variable, so that it is computed once and not for each transition.
    known jsonb;
BEGIN
    SELECT session.workspace_id, session.current_journey_id AS journey_id, session.current_state_id AS state_id
    INTO position FROM parlant.parlant_session AS session WHERE session.id = next_states.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', session_id::text);
    END IF;
    known := parlant.condition_variables(session_id, variables);
    RETURN QUERY
    SELECT * FROM parlant.states_from(position.workspace_id, position.journey_id, position.state_id, known);
END $$;
COMMENT ON FUNCTION parlant.next_states(uuid, jsonb) IS
    'Where a session can go from its state, best first. holds is NULL where the application must judge; missing are the '
    'variables that a condition asks for and does not find; problem is what is wrong with it.';

CREATE FUNCTION parlant.keep_journey_totals() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    -- What the client logged under the same type may have any content, so nothing of it is cast.
    UPDATE parlant.parlant_journey AS journey
    SET total_of_deleted_sessions = jsonb_build_object(
            'sessions', coalesce((total_of_deleted_sessions ->> 'sessions')::bigint, 0) + walked.entered,
            'completed', coalesce((total_of_deleted_sessions ->> 'completed')::bigint, 0) + walked.completed)
    FROM (SELECT event.journey_id, max((content -> 'kind' = '"enter"')::integer) AS entered,
                 max((content -> 'completes' = 'true')::integer) AS completed
          FROM parlant.parlant_event AS event
          WHERE event.workspace_id = OLD.workspace_id AND event.session_id = OLD.id
            AND event.event_type = 'journey_transition'
          GROUP BY event.journey_id) AS walked
    WHERE journey.workspace_id = OLD.workspace_id AND journey.id = walked.journey_id;
    UPDATE parlant.parlant_journey_transition AS transition
    SET use_count_of_deleted_sessions = use_count_of_deleted_sessions + taken.times
    FROM (SELECT event.journey_id, content ->> 'transition_id' AS transition_id, count(*) AS times
          FROM parlant.parlant_event AS event
          WHERE event.workspace_id = OLD.workspace_id AND event.session_id = OLD.id
            AND event.event_type = 'journey_transition'
          GROUP BY 1, 2) AS taken
    WHERE transition.workspace_id = OLD.workspace_id AND transition.journey_id = taken.journey_id
      AND transition.id::text = taken.transition_id;
    RETURN OLD;
END $$;
COMMENT ON FUNCTION parlant.keep_journey_totals() IS
    'Trigger: keeps for the totals of journeys and transitions what a session adds to them that is deleted.';

CREATE FUNCTION parlant.refresh_journey_totals() RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
    changed_transitions bigint;
BEGIN
    WITH walked AS (
        SELECT workspace_id, journey_id, count(DISTINCT session_id) FILTER (WHERE content -> 'kind' = '"enter"') AS sessions,
               count(DISTINCT session_id) FILTER (WHERE content -> 'completes' = 'true') AS completed,
               max(created_at) FILTER (WHERE content -> 'kind' = '"enter"') AS last_used_at
        FROM parlant.parlant_event WHERE event_type = 'journey_transition' AND journey_id IS NOT NULL GROUP BY 1, 2
    ), summed AS (
        SELECT journey.workspace_id, journey.id,
               coalesce(walked.sessions, 0) + coalesce((total_of_deleted_sessions ->> 'sessions')::bigint, 0) AS sessions,
               coalesce(walked.completed, 0) + coalesce((total_of_deleted_sessions ->> 'completed')::bigint, 0) AS completed,
               greatest(journey.last_used_at, walked.last_used_at) AS last_used_at
        FROM parlant.parlant_journey AS journey
        LEFT JOIN walked ON walked.workspace_id = journey.workspace_id AND walked.journey_id = journey.id
    ), total AS (
        SELECT workspace_id, id, least(sessions, 2147483647)::integer AS sessions,
               CASE WHEN sessions > 0 THEN least(round(100.0 * completed / sessions), 100) ELSE 0 END::integer
                   AS completion_rate, last_used_at
        FROM summed
    ), held AS (
        SELECT total.* FROM parlant.parlant_journey AS journey
        JOIN total ON total.workspace_id = journey.workspace_id AND total.id = journey.id
        WHERE (journey.total_sessions, journey.completion_rate, journey.last_used_at)
              IS DISTINCT FROM (total.sessions, total.completion_rate, total.last_used_at)
        ORDER BY journey.id FOR NO KEY UPDATE OF journey
    )
    UPDATE parlant.parlant_journey AS journey
    SET total_sessions = held.sessions, completion_rate = held.completion_rate, last_used_at = held.last_used_at
    FROM held WHERE journey.workspace_id = held.workspace_id AND journey.id = held.id;
    GET DIAGNOSTICS changed = ROW_COUNT;

    WITH taken AS (
        SELECT workspace_id, journey_id, content ->> 'transition_id' AS transition_id, count(*) AS times,
               max(created_at) AS last_used_at
        FROM parlant.parlant_event
        WHERE event_type = 'journey_transition' AND journey_id IS NOT NULL AND content ->> 'transition_id' IS NOT NULL
        GROUP BY 1, 2, 3
    ), total AS (
        SELECT transition.workspace_id, transition.id,
               least(coalesce(taken.times, 0) + transition.use_count_of_deleted_sessions, 2147483647)::integer AS use_count,
               greatest(transition.last_used_at, taken.last_used_at) AS last_used_at
        FROM parlant.parlant_journey_transition AS transition
        LEFT JOIN taken ON taken.workspace_id = transition.workspace_id AND taken.journey_id = transition.journey_id
                       AND taken.transition_id = transition.id::text
    ), held AS (
        SELECT total.* FROM parlant.parlant_journey_transition AS transition
        JOIN total ON total.workspace_id = transition.workspace_id AND total.id = transition.id
        WHERE (transition.use_count, transition.last_used_at) IS DISTINCT FROM (total.use_count, total.last_used_at)
        ORDER BY transition.id FOR NO KEY UPDATE OF transition
    )
    UPDATE parlant.parlant_journey_transition AS transition
    SET use_count = held.use_count, last_used_at = held.last_used_at
    FROM held WHERE transition.workspace_id = held.workspace_id AND transition.id = held.id;
    GET DIAGNOSTICS changed_transitions = ROW_COUNT;
    RETURN changed + changed_transitions;
END $$;
COMMENT ON FUNCTION parlant.refresh_journey_totals() IS
    'Totals of journeys and transitions from the hops in the log and from what deleted sessions have left; part of '
    'refresh_totals().';
