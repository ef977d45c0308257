-- Behaviour: templates, glossaries, variables, guidelines, canned responses.

COMMENT ON FUNCTION parlant.render_template(text, jsonb) IS
    'The text of a Jinja template with the variables of a JSON object. An error lists every variable that is missing.';
COMMENT ON FUNCTION parlant.template_variables(text) IS
    'The variables that a template refers to, as a JSON array of paths such as "customer.name"; an error with line and '
    'column if the template is broken.';
COMMENT ON FUNCTION parlant.missing_variables(text, jsonb) IS
    'What rendering a template with these variables lacks, as a JSON array of paths; NULL where it fails otherwise.';
COMMENT ON FUNCTION parlant.json_schema_violations(jsonb, jsonb) IS
    'Every rule of a JSON Schema that a document breaks, at most 100, each with a JSON Pointer to what is wrong.';
COMMENT ON FUNCTION parlant.canned_response_score(text, jsonb, jsonb, integer, boolean, text, oid, jsonb) IS
    'Internal: how well a canned response fits a query, from 0 to 1; NULL if it does not. Call find_canned_responses.';

CREATE FUNCTION parlant.refuse_unknown(kind text, id text) RETURNS void
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RAISE EXCEPTION '% % does not exist', kind, coalesce(id, 'NULL') USING
        ERRCODE = 'no_data_found',
        DETAIL = 'No such ' || kind || ' is visible to you.',
        HINT = 'Check the id. It may also belong to a workspace that you cannot see.';
END $$;
COMMENT ON FUNCTION parlant.refuse_unknown(text, text) IS
    'Internal: the error for what is not there, or not visible, which look the same.';

ALTER FUNCTION parlant.mentioned_terms(text, uuid, text) ROWS 10;
COMMENT ON FUNCTION parlant.mentioned_terms(text, uuid, text) IS
    'Internal: the mentions of an agent''s terms in a text. Call find_terms.';

CREATE FUNCTION parlant.find_terms(agent_id uuid, content text)
    RETURNS TABLE (term_id uuid, name text, matched text, "position" integer, description text, importance integer)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    agent_workspace text := (SELECT agent.workspace_id FROM parlant.parlant_agent AS agent
                             WHERE agent.id = find_terms.agent_id AND agent.deleted_at IS NULL);
BEGIN
    IF agent_workspace IS NULL THEN
        PERFORM parlant.refuse_unknown('agent', find_terms.agent_id::text);
    END IF;
    RETURN QUERY
    SELECT term.id, term.name, mention.matched, mention."position", term.description, term.importance
    FROM parlant.mentioned_terms(agent_workspace, find_terms.agent_id, find_terms.content) AS mention
    JOIN parlant.parlant_term AS term ON term.id = mention.term_id AND term.workspace_id = agent_workspace
    ORDER BY mention."position";
END $$;
COMMENT ON FUNCTION parlant.find_terms(uuid, text) IS
    'Every place in a text that names a term of an agent, by its name or a synonym: whole words, the longest match '
    'first, whatever case and accents; where two terms share words, the more important one. Positions count characters '
    'from 1.';

CREATE FUNCTION parlant.variables_of(workspace_id text, agent_id uuid, session_id uuid, customer_id text, own jsonb)
    RETURNS TABLE (known jsonb, told jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
    -- The nearest value decides, also whether it is private: what lies behind a private one stays hidden.
    SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE distance > 1 AND is_known), '{}') || coalesce(own, '{}')
           || coalesce(jsonb_object_agg(key, value) FILTER (WHERE distance = 1 AND is_known), '{}'),
           coalesce(jsonb_object_agg(key, value) FILTER (WHERE distance > 1 AND NOT is_private), '{}') || coalesce(own, '{}')
           || coalesce(jsonb_object_agg(key, value) FILTER (WHERE distance = 1 AND NOT is_private), '{}')
    FROM (
        SELECT DISTINCT ON (key) key, value, is_private, distance,
               NOT is_private OR parlant.current_customer_id() IS NULL AS is_known
        FROM (
            SELECT v.key, v.value, v.is_private, 1 AS distance FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = variables_of.workspace_id AND v.agent_id = variables_of.agent_id
              AND v.session_id = variables_of.session_id AND v.customer_id IS NULL
            UNION ALL
            SELECT v.key, v.value, v.is_private, 2 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = variables_of.workspace_id AND v.agent_id = variables_of.agent_id
              AND v.session_id IS NULL AND v.customer_id = variables_of.customer_id
            UNION ALL
            SELECT v.key, v.value, v.is_private, 3 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = variables_of.workspace_id AND v.agent_id = variables_of.agent_id
              AND v.session_id IS NULL AND v.customer_id IS NULL
            UNION ALL
            SELECT v.key, v.value, v.is_private, 4 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = variables_of.workspace_id AND v.agent_id IS NULL
              AND v.session_id IS NULL AND v.customer_id IS NULL
        ) AS visible
        ORDER BY key, distance
    ) AS nearest
$$;
COMMENT ON FUNCTION parlant.variables_of(text, uuid, uuid, text, jsonb) IS
    'Internal: the variables of a session that the transaction knows, and those that may be told to its customer: the '
    'private ones are for users alone.';

CREATE FUNCTION parlant.session_variables(session_id uuid, include_private boolean DEFAULT true) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    variables jsonb;
BEGIN
    SELECT CASE WHEN include_private THEN v.known ELSE v.told END INTO variables
    FROM parlant.parlant_session AS s,
         parlant.variables_of(s.workspace_id, s.agent_id, s.id, s.customer_id, s.variables) AS v
    WHERE s.id = session_variables.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', session_variables.session_id::text);
    END IF;
    RETURN variables;
END $$;
COMMENT ON FUNCTION parlant.session_variables(uuid, boolean) IS
    'The variables of a session: of each key the nearest, from the session''s rows of parlant_variable, its column '
    'variables, then the customer''s, the agent''s and the workspace''s rows. Private ones are left out where '
    'include_private is false, and always for customers.';

CREATE FUNCTION parlant.check_template() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM parlant.template_variables(NEW.template);
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.check_template() IS
    'Trigger: refuses a canned response whose template is broken, with line and column.';

CREATE FUNCTION parlant.render_canned_response(canned_response_id uuid, session_id uuid, variables jsonb DEFAULT '{}')
    RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    response record;
BEGIN
    IF jsonb_typeof(coalesce(variables, '{}')) <> 'object' THEN
        RAISE EXCEPTION 'variables must be a JSON object' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'This is of type ' || jsonb_typeof(variables) || '.',
            HINT = 'Pass names and values: {"name": "Ada"}.';
    END IF;
    SELECT r.template, r.enabled, v.told INTO response
    FROM parlant.parlant_session AS s
    JOIN parlant.parlant_canned_response AS r ON r.workspace_id = s.workspace_id AND r.agent_id = s.agent_id
    CROSS JOIN LATERAL parlant.variables_of(s.workspace_id, s.agent_id, s.id, s.customer_id, s.variables) AS v
    WHERE s.id = render_canned_response.session_id AND r.id = render_canned_response.canned_response_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('canned response', coalesce(canned_response_id::text, 'NULL') || ' of session '
                                       || coalesce(session_id::text, 'NULL'));
    ELSIF NOT response.enabled THEN
        RAISE EXCEPTION 'canned response % is disabled', canned_response_id USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'A disabled canned response is kept and not offered.',
            HINT = 'Use one that find_canned_responses returns, or enable it.';
    END IF;
    RETURN parlant.render_template(response.template, response.told || coalesce(variables, '{}'));
END $$;
COMMENT ON FUNCTION parlant.render_canned_response(uuid, uuid, jsonb) IS
    'The text of a canned response in a session: its template with the session''s variables, apart from private ones, '
    'and those passed here, which win. An error lists every variable that is missing.';

CREATE FUNCTION parlant.set_variable(
    agent_id uuid, key text, value jsonb, scope text DEFAULT 'session', session_id uuid DEFAULT NULL,
    customer_id text DEFAULT NULL, is_private boolean DEFAULT NULL, description text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    session record;
    workspace text;
    owner_agent uuid := CASE WHEN scope <> 'global' THEN set_variable.agent_id END;
    owner_session uuid := CASE WHEN scope = 'session' THEN set_variable.session_id END;
    owner_customer text := CASE WHEN scope = 'customer' THEN set_variable.customer_id END;
    variable_id uuid;
    hidden boolean := coalesce(set_variable.is_private, false);
    old_value jsonb;
BEGIN
    IF scope IS NULL OR scope NOT IN ('session', 'customer', 'agent', 'global') THEN
        RAISE EXCEPTION 'there is no scope %', coalesce(quote_literal(scope), 'NULL') USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Scopes are session, customer, agent and global.',
            HINT = 'Pass one of them, or leave it out for session.';
    ELSIF key IS NULL OR value IS NULL THEN
        RAISE EXCEPTION 'a variable has a key and a value' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = CASE WHEN key IS NULL THEN 'The key is NULL.' ELSE 'The value of "' || key || '" is NULL.' END,
            HINT = 'For a variable without value pass JSON null: ''null''::jsonb.';
    END IF;

    -- Lock order: the session, then the variable; so changes and their events have one order.
    IF session_id IS NOT NULL THEN
        SELECT s.workspace_id, s.agent_id, s.customer_id INTO session
        FROM parlant.parlant_session AS s WHERE s.id = set_variable.session_id
        FOR NO KEY UPDATE;
        IF NOT FOUND OR session.agent_id <> set_variable.agent_id THEN
            PERFORM parlant.refuse_unknown('session', session_id::text || ' of agent ' || coalesce(agent_id::text, 'NULL'));
        END IF;
        workspace := session.workspace_id;
        owner_customer := coalesce(owner_customer, CASE WHEN scope = 'customer' THEN session.customer_id END);
    ELSIF agent_id IS NULL AND scope = 'global' THEN
        workspace := parlant.current_workspace_id();
    END IF;
    IF workspace IS NULL THEN
        SELECT a.workspace_id INTO workspace
        FROM parlant.parlant_agent AS a WHERE a.id = set_variable.agent_id AND a.deleted_at IS NULL;
        IF NOT FOUND THEN
            PERFORM parlant.refuse_unknown('agent', agent_id::text);
        END IF;
    END IF;
    IF (scope = 'session' AND owner_session IS NULL) OR (scope = 'customer' AND owner_customer IS NULL) THEN
        RAISE EXCEPTION 'a variable in scope % needs a %', scope, scope USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = CASE scope WHEN 'session' THEN 'session_id is NULL.'
                                ELSE 'customer_id is NULL, and so is the session''s.' END,
            HINT = 'Pass it, or choose another scope.';
    END IF;

    FOR attempt IN 1..100 LOOP
        SELECT v.id, v.value, coalesce(set_variable.is_private, v.is_private) INTO variable_id, old_value, hidden
        FROM parlant.parlant_variable AS v
        WHERE v.workspace_id = workspace AND v.key = set_variable.key
          AND v.agent_id IS NOT DISTINCT FROM owner_agent AND v.session_id IS NOT DISTINCT FROM owner_session
          AND v.customer_id IS NOT DISTINCT FROM owner_customer
        FOR UPDATE;
        IF FOUND THEN
            UPDATE parlant.parlant_variable AS v
            SET value = set_variable.value, is_private = hidden,
                description = coalesce(set_variable.description, v.description)
            WHERE v.workspace_id = workspace AND v.id = variable_id
              AND (v.value, v.is_private, v.description)
                  IS DISTINCT FROM (set_variable.value, hidden, coalesce(set_variable.description, v.description));
            EXIT;
        END IF;
        hidden := coalesce(set_variable.is_private, false);
        INSERT INTO parlant.parlant_variable AS v
            (workspace_id, agent_id, session_id, customer_id, key, scope, value, is_private, description)
        VALUES (workspace, owner_agent, owner_session, owner_customer, set_variable.key, scope, set_variable.value, hidden,
                set_variable.description)
        ON CONFLICT ON CONSTRAINT parlant_variable_key DO NOTHING;
        -- Else somebody else was faster, and the row is there to be locked.
        EXIT WHEN FOUND;
        IF attempt = 100 THEN
            PERFORM parlant.refuse_unknown('variable', key);
        END IF;
    END LOOP;

    IF session_id IS NOT NULL AND old_value IS DISTINCT FROM value THEN
        PERFORM FROM parlant.append_event(session_id, 'variable_update',
            jsonb_build_object('key', key, 'scope', scope)
            || CASE WHEN hidden THEN '{"is_private": true}'
                    ELSE jsonb_build_object('old_value', old_value, 'new_value', value) END);
    END IF;
END $$;
COMMENT ON FUNCTION parlant.set_variable(uuid, text, jsonb, text, uuid, text, boolean, text) IS
    'Sets a variable of a session, a customer, an agent or the workspace. Where session_id is given, the session logs '
    'the change with the old and the new value, or only that there was one if the variable is private. What is left '
    'out of is_private and description stays.';

CREATE FUNCTION parlant.guidelines_of(workspace_id text, agent_id uuid, journey_id uuid)
    RETURNS TABLE (guideline_id uuid, condition text, action text, effective_priority integer, journey_condition text,
                   tool_ids jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 100 AS $$
    SELECT guideline.id, guideline.condition, guideline.action,
           coalesce(link.priority_override, guideline.priority), link.journey_specific_condition,
           coalesce(guideline.tool_ids, '[]')
    FROM parlant.parlant_guideline AS guideline
    LEFT JOIN parlant.parlant_journey_guideline AS link
      ON link.workspace_id = guidelines_of.workspace_id AND link.guideline_id = guideline.id
     AND link.journey_id = guidelines_of.journey_id
    WHERE guideline.workspace_id = guidelines_of.workspace_id AND guideline.agent_id = guidelines_of.agent_id
      AND guideline.enabled AND coalesce(link.enabled, true)
    ORDER BY 4 DESC, guideline.created_at, guideline.id
$$;
COMMENT ON FUNCTION parlant.guidelines_of(text, uuid, uuid) IS
    'Internal: the guidelines of an agent as they apply in a journey. Call session_guidelines.';

CREATE FUNCTION parlant.session_guidelines(session_id uuid)
    RETURNS TABLE (guideline_id uuid, condition text, action text, effective_priority integer, journey_condition text,
                   tool_ids jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    session record;
BEGIN
    SELECT s.workspace_id, s.agent_id, s.current_journey_id INTO session
    FROM parlant.parlant_session AS s WHERE s.id = session_guidelines.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', session_guidelines.session_id::text);
    END IF;
    RETURN QUERY
    SELECT * FROM parlant.guidelines_of(session.workspace_id, session.agent_id, session.current_journey_id);
END $$;
COMMENT ON FUNCTION parlant.session_guidelines(uuid) IS
    'The guidelines that apply in a session, the most important first: its agent''s enabled ones, with what the current '
    'journey says of them: another priority, a further condition, or that they are out.';

CREATE FUNCTION parlant.record_guideline_match(session_id uuid, guideline_id uuid) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    journey uuid;
BEGIN
    SELECT session.current_journey_id INTO journey
    FROM parlant.parlant_session AS session
    JOIN parlant.parlant_guideline AS guideline
      ON guideline.workspace_id = session.workspace_id AND guideline.agent_id = session.agent_id
    WHERE session.id = record_guideline_match.session_id AND guideline.id = record_guideline_match.guideline_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('guideline', coalesce(record_guideline_match.guideline_id::text, 'NULL') || ' of session '
                                       || coalesce(record_guideline_match.session_id::text, 'NULL'));
    END IF;
    PERFORM FROM parlant.append_event(record_guideline_match.session_id, 'status_update',
        jsonb_build_object('status', 'guideline_matched', 'guideline_id', record_guideline_match.guideline_id,
                           'journey_id', journey));
END $$;
COMMENT ON FUNCTION parlant.record_guideline_match(uuid, uuid) IS
    'Logs in the session that a guideline matched: a status_update with status guideline_matched. No session waits for '
    'another; refresh_totals() counts.';

CREATE FUNCTION parlant.search_configuration(locale text) RETURNS regconfig
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'search_configuration_wrapper';
COMMENT ON FUNCTION parlant.search_configuration(text) IS
    'Internal: the text search configuration for a language tag.';

CREATE FUNCTION parlant.canned_responses_of(workspace_id text, agent_id uuid, configuration regconfig, query text, category text,
                                            max_results integer, known jsonb, told jsonb)
    RETURNS TABLE (canned_response_id uuid, template text, score double precision, renderable boolean, missing jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 10 AS $$
    SELECT best.id, best.template, best.score, coalesce(lacks.names = '[]', false), coalesce(lacks.names, '[]')
    FROM (
        SELECT fit.*
        FROM (
            SELECT response.id, response.template, response.priority, response.created_at,
                   parlant.canned_response_score(response.template, response.tags, response.conditions, response.priority,
                       response.requires_exact_match, canned_responses_of.query, canned_responses_of.configuration,
                       canned_responses_of.known) AS score
            FROM parlant.parlant_canned_response AS response
            WHERE response.workspace_id = canned_responses_of.workspace_id
              AND response.agent_id = canned_responses_of.agent_id AND response.enabled
              AND (canned_responses_of.category IS NULL OR lower(response.category) = lower(canned_responses_of.category))
            -- So that no score is computed twice.
            OFFSET 0) AS fit
        WHERE fit.score IS NOT NULL
        ORDER BY fit.score DESC, fit.priority DESC, fit.created_at, fit.id
        LIMIT canned_responses_of.max_results) AS best
    CROSS JOIN LATERAL (SELECT parlant.missing_variables(best.template, canned_responses_of.told) AS names OFFSET 0) AS lacks
    ORDER BY best.score DESC, best.priority DESC, best.created_at, best.id
$$;
COMMENT ON FUNCTION parlant.canned_responses_of(text, uuid, regconfig, text, text, integer, jsonb, jsonb) IS
    'Internal: the canned responses of an agent that fit a query, by the variables that conditions know and that may be '
    'told. Call find_canned_responses.';

CREATE FUNCTION parlant.find_canned_responses(session_id uuid, query text DEFAULT NULL, category text DEFAULT NULL,
                                              max_results integer DEFAULT 10)
    RETURNS TABLE (canned_response_id uuid, template text, score double precision, renderable boolean, missing jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    session record;
BEGIN
    IF max_results IS NULL OR max_results NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_results is out of range' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It is ' || coalesce(max_results::text, 'NULL') || '.',
            HINT = 'Pass a number from 1 to 1000.';
    ELSIF length(query) > 10000 THEN
        RAISE EXCEPTION 'the query is too long' USING
            ERRCODE = 'program_limit_exceeded',
            DETAIL = 'It has ' || length(query) || ' characters, more than the 10000 allowed.',
            HINT = 'Pass what the customer has just said.';
    END IF;
    SELECT s.workspace_id, s.agent_id, parlant.search_configuration(s.locale) AS configuration, variables.known,
           variables.told
    INTO session
    FROM parlant.parlant_session AS s,
         parlant.variables_of(s.workspace_id, s.agent_id, s.id, s.customer_id, s.variables) AS variables
    WHERE s.id = find_canned_responses.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', find_canned_responses.session_id::text);
    END IF;
    RETURN QUERY
    SELECT * FROM parlant.canned_responses_of(session.workspace_id, session.agent_id, session.configuration,
        find_canned_responses.query, find_canned_responses.category, find_canned_responses.max_results, session.known,
        session.told);
END $$;
COMMENT ON FUNCTION parlant.find_canned_responses(uuid, text, text, integer) IS
    'The canned responses of a session''s agent that fit a query, the best first, and what each lacks to be rendered '
    'with the session''s variables. A score from 0 to 1 adds up words in common, tags in the query, a condition that '
    'holds, and the priority; the text or a tag of the response as the query is 1, and asked for by requires_exact_match.';

CREATE FUNCTION parlant.check_canned_response() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    strict_agent record;
    rendered text;
BEGIN
    SELECT a.name, a.id INTO strict_agent
    FROM parlant.parlant_session AS s
    JOIN parlant.parlant_agent AS a ON a.workspace_id = s.workspace_id AND a.id = s.agent_id
    WHERE s.workspace_id = NEW.workspace_id AND s.id = NEW.session_id AND a.composition_mode = 'strict';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    rendered := parlant.render_canned_response(
        (NEW.content ->> 'canned_response_id')::uuid, NEW.session_id,
        CASE jsonb_typeof(NEW.content -> 'variables') WHEN 'object' THEN NEW.content -> 'variables' ELSE '{}' END);
    IF rendered IS DISTINCT FROM parlant.message_text(NEW.content) THEN
        RAISE EXCEPTION 'the message is not what its canned response renders to' USING
            ERRCODE = 'check_violation',
            SCHEMA = 'parlant', TABLE = 'parlant_event', CONSTRAINT = 'keep_to_canned_response',
            DETAIL = 'Agent "' || strict_agent.name || '" is strict. Canned response ' || (NEW.content ->> 'canned_response_id')
                     || ' says: ' || left(rendered, 1000),
            HINT = 'Send what render_canned_response returns, with the variables passed to it as member variables of content.';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parlant.check_canned_response() IS
    'Trigger: refuses a message of a strict agent that names a canned response and has another text than it renders to.';

CREATE FUNCTION parlant.message_text(content jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(content ->> 'message', content ->> 'text', content ->> 'content')
$$;
COMMENT ON FUNCTION parlant.message_text(jsonb) IS 'Internal: the text of a message, under the names that clients give it.';

CREATE FUNCTION parlant.session_context_by_query(session_id uuid, recent_events integer) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    session record;
    agent jsonb;
    condition_variables jsonb;
    journey jsonb;
    terms jsonb;
    canned_responses jsonb;
    events jsonb;
    messages text;
    last_message text;
BEGIN
    IF recent_events IS NULL OR recent_events NOT BETWEEN 0 AND 1000 THEN
        RAISE EXCEPTION 'recent_events is out of range' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It is ' || coalesce(recent_events::text, 'NULL') || '.',
            HINT = 'Pass a number from 0 to 1000; read_events reads more.';
    END IF;
    SELECT s.workspace_id, s.agent_id, parlant.search_configuration(s.locale) AS configuration, s.current_journey_id,
           s.current_state_id, v.known, v.told, jsonb_build_object(
        'session_id', s.id, 'status', s.status, 'mode', s.mode, 'title', s.title, 'session_type', s.session_type,
        'user_id', s.user_id, 'customer_id', s.customer_id, 'locale', s.locale, 'timezone', s.timezone, 'tags', s.tags,
        'metadata', s.metadata, 'event_count', s.event_count, 'message_count', s.message_count,
        'started_at', timezone('utc', s.started_at), 'last_activity_at', timezone('utc', s.last_activity_at),
        'ended_at', timezone('utc', s.ended_at)) AS document
    INTO session
    FROM parlant.parlant_session AS s,
         parlant.variables_of(s.workspace_id, s.agent_id, s.id, s.customer_id, s.variables) AS v
    WHERE s.id = session_context_by_query.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', session_context_by_query.session_id::text);
    END IF;

    SELECT jsonb_build_object(
        'agent_id', a.id, 'name', a.name, 'description', a.description, 'status', a.status,
        'composition_mode', a.composition_mode, 'conversation_style', a.conversation_style,
        'system_prompt', a.system_prompt, 'system_instructions', a.system_instructions,
        'model_provider', a.model_provider, 'model_name', a.model_name, 'temperature', a.temperature,
        'max_tokens', a.max_tokens, 'max_context_length', a.max_context_length,
        'response_timeout_ms', a.response_timeout_ms, 'allow_interruption', a.allow_interruption,
        'allow_proactive_messages', a.allow_proactive_messages, 'pii_handling_mode', a.pii_handling_mode,
        'custom_config', a.custom_config)
    INTO agent
    FROM parlant.parlant_agent AS a
    WHERE a.workspace_id = session.workspace_id AND a.id = session.agent_id AND a.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('agent', session.agent_id::text);
    END IF;

    IF session.current_journey_id IS NOT NULL THEN
        condition_variables := parlant.condition_variables_over(session_context_by_query.session_id, session.known);
        SELECT jsonb_build_object(
            'journey_id', j.id, 'title', j.title, 'description', j.description, 'allow_skipping', j.allow_skipping,
            'allow_revisiting', j.allow_revisiting, 'state_id', s.id, 'state_name', s.name, 'state_type', s.state_type,
            'prompt', s.chat_prompt, 'tool_id', s.tool_id, 'tool_config', s.tool_config, 'condition', s.condition,
            'is_final', s.is_final, 'allow_skip', s.allow_skip,
            'next_states', coalesce((
                SELECT jsonb_agg(next)
                FROM parlant.states_from(session.workspace_id, session.current_journey_id, session.current_state_id,
                                         condition_variables) AS next),
                '[]'))
        INTO journey
        FROM parlant.parlant_journey AS j
        LEFT JOIN parlant.parlant_journey_state AS s
          ON s.workspace_id = j.workspace_id AND s.journey_id = j.id AND s.id = session.current_state_id
        WHERE j.workspace_id = session.workspace_id AND j.id = session.current_journey_id;
    END IF;

    SELECT jsonb_agg(jsonb_build_object(
               'offset', e."offset", 'event_id', e.id, 'event_type', e.event_type, 'content', e.content, 'metadata', e.metadata,
               'tool_call_id', e.tool_call_id, 'journey_id', e.journey_id, 'state_id', e.state_id,
               'created_at', timezone('utc', e.created_at)) ORDER BY e."offset"),
           -- A character that is in no term keeps terms from reaching from one message into the next.
           string_agg(parlant.message_text(e.content), E'\n\x01\n' ORDER BY e."offset" DESC)
               FILTER (WHERE e.event_type IN ('customer_message', 'agent_message')),
           (array_agg(parlant.message_text(e.content) ORDER BY e."offset" DESC)
               FILTER (WHERE e.event_type = 'customer_message'))[1]
    INTO events, messages, last_message
    FROM (SELECT * FROM parlant.parlant_event AS e
          WHERE e.workspace_id = session.workspace_id AND e.session_id = session_context_by_query.session_id
          ORDER BY e."offset" DESC LIMIT recent_events) AS e;

    IF messages <> '' THEN
        SELECT jsonb_agg(jsonb_build_object('term_id', t.term_id, 'name', t.name, 'description', t.description,
                                            'importance', t.importance) ORDER BY t.importance DESC, t.name) INTO terms
        FROM (SELECT term.id AS term_id, term.name, term.description, term.importance
              FROM parlant.parlant_term AS term
              WHERE term.workspace_id = session.workspace_id AND term.id IN (
                  SELECT mention.term_id
                  FROM parlant.mentioned_terms(session.workspace_id, session.agent_id, left(messages, 200000)) AS mention)
              ORDER BY term.importance DESC, term.name LIMIT 100) AS t;
    END IF;

    SELECT jsonb_agg(c) INTO canned_responses
    FROM parlant.canned_responses_of(session.workspace_id, session.agent_id, session.configuration, left(last_message, 10000),
                                     NULL, 10, session.known, session.told) AS c;

    RETURN jsonb_build_object(
        'agent', agent, 'session', session.document, 'journey', journey, 'guidelines', (
            SELECT coalesce(jsonb_agg(g), '[]') FROM (
                SELECT * FROM parlant.guidelines_of(session.workspace_id, session.agent_id, session.current_journey_id)
                LIMIT 1000) AS g),
        'tools', parlant.agent_tools(session.agent_id), 'terms', coalesce(terms, '[]'), 'variables', session.known,
        'canned_responses', coalesce(canned_responses, '[]'), 'events', coalesce(events, '[]'));
END $$;
COMMENT ON FUNCTION parlant.session_context_by_query(uuid, integer) IS
    'Internal: the context of a session, read by queries. Call session_context.';
COMMENT ON FUNCTION parlant.session_context_json(uuid, integer) IS
    'What session_context gives, as json: text that is ready to be sent, for those who take all of it.';
COMMENT ON FUNCTION parlant.session_context(uuid, integer) IS
    'Everything that an engine needs for the next turn of a session, in one document: agent, session, journey with next '
    'states, guidelines in order, tools, terms that the recent messages mention, variables, canned responses that fit '
    'the last customer message, and the recent events. Secrets are left out.';

CREATE FUNCTION parlant.refresh_behaviour_totals() RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
    total bigint := 0;
BEGIN
    -- Totals never fall: what deleted sessions logged has counted already.
    WITH logged AS (
        SELECT workspace_id, content ->> 'guideline_id' AS id, least(count(*), 2147483647)::integer AS times, max(created_at) AS last
        FROM parlant.parlant_event
        WHERE event_type = 'status_update' AND content ->> 'status' = 'guideline_matched' GROUP BY 1, 2)
    UPDATE parlant.parlant_guideline AS g
    SET match_count = greatest(g.match_count, logged.times), last_matched_at = greatest(g.last_matched_at, logged.last)
    FROM logged
    WHERE g.workspace_id = logged.workspace_id AND g.id::text = logged.id
      AND (g.match_count < logged.times OR g.last_matched_at IS NULL OR g.last_matched_at < logged.last);
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;

    WITH logged AS (
        SELECT workspace_id, content ->> 'guideline_id' AS id, content ->> 'journey_id' AS journey_id,
               least(count(*), 2147483647)::integer AS times, max(created_at) AS last
        FROM parlant.parlant_event
        WHERE event_type = 'status_update' AND content ->> 'status' = 'guideline_matched' AND content ->> 'journey_id' IS NOT NULL
        GROUP BY 1, 2, 3)
    UPDATE parlant.parlant_journey_guideline AS g
    SET match_count = greatest(g.match_count, logged.times), last_matched_at = greatest(g.last_matched_at, logged.last)
    FROM logged
    WHERE g.workspace_id = logged.workspace_id AND g.guideline_id::text = logged.id AND g.journey_id::text = logged.journey_id
      AND (g.match_count < logged.times OR g.last_matched_at IS NULL OR g.last_matched_at < logged.last);
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;

    WITH logged AS (
        SELECT workspace_id, content ->> 'canned_response_id' AS id, least(count(*), 2147483647)::integer AS times, max(created_at) AS last
        FROM parlant.parlant_event
        WHERE event_type = 'agent_message' AND content ? 'canned_response_id' GROUP BY 1, 2)
    UPDATE parlant.parlant_canned_response AS r
    SET use_count = greatest(r.use_count, logged.times), last_used_at = greatest(r.last_used_at, logged.last)
    FROM logged
    WHERE r.workspace_id = logged.workspace_id AND r.id::text = logged.id
      AND (r.use_count < logged.times OR r.last_used_at IS NULL OR r.last_used_at < logged.last);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN total + changed;
END $$;
COMMENT ON FUNCTION parlant.refresh_behaviour_totals() IS
    'Totals of guidelines and canned responses from the log; part of refresh_totals().';
