-- Behaviour: templates, glossaries, variables, guidelines, canned responses.

COMMENT ON FUNCTION parlant.render_template(text, jsonb) IS
    'The text of a Jinja template with the variables of a JSON object. An error lists every variable that is missing.';
COMMENT ON FUNCTION parlant.template_variables(text) IS
    'The variables that a template refers to, as a JSON array of paths such as "customer.name"; an error with line and '
    'column if the template is broken.';
COMMENT ON FUNCTION parlant.missing_variables(text, jsonb) IS
    'What rendering a template with these variables lacks, as a JSON array of paths; NULL where it fails otherwise.';
COMMENT ON FUNCTION parlant.glossary_is_ready(text) IS
    'Internal: whether this connection keeps a glossary for term_mentions.';
COMMENT ON FUNCTION parlant.term_mentions(text, text, text) IS
    'Internal: the mentions of a glossary''s terms in a text. Call find_terms.';
COMMENT ON FUNCTION parlant.json_schema_violations(jsonb, jsonb) IS
    'Every rule of a JSON Schema that a document breaks, at most 100, each with a JSON Pointer to what is wrong.';

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

CREATE FUNCTION parlant.find_terms(agent_id uuid, content text)
    RETURNS TABLE (term_id uuid, name text, matched text, "position" integer, description text, importance integer)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
#variable_conflict use_column
DECLARE
    agent_workspace text := (SELECT agent.workspace_id FROM parlant.parlant_agent AS agent
                             WHERE agent.id = find_terms.agent_id AND agent.deleted_at IS NULL);
    key text;
    glossary text;
BEGIN
    IF agent_workspace IS NULL THEN
        PERFORM parlant.refuse_unknown('agent', find_terms.agent_id::text);
    END IF;
    -- A version of a row is known by where it is and by who wrote it, so every change of a term changes the key.
    SELECT find_terms.agent_id || ' ' || count(*) || ' ' || coalesce(bit_xor(hashtextextended(xmin::text, hashtid(ctid))), 0)
    INTO key
    FROM parlant.parlant_term AS term
    WHERE term.workspace_id = agent_workspace AND term.agent_id = find_terms.agent_id;
    IF NOT parlant.glossary_is_ready(key) THEN
        SELECT string_agg(term.id || ' ' || term.importance || ' ' || to_char(term.created_at, 'YYYYMMDDHH24MISSUS') || ' '
                          || length(term.name) || ' ' || term.name || coalesce(term.synonyms, '[]'), '')
        INTO glossary
        FROM parlant.parlant_term AS term
        WHERE term.workspace_id = agent_workspace AND term.agent_id = find_terms.agent_id;
    END IF;

    RETURN QUERY
    SELECT term.id, term.name, mention.matched, mention."position", term.description, term.importance
    FROM parlant.term_mentions(key, glossary, find_terms.content) AS mention
    JOIN parlant.parlant_term AS term ON term.id = mention.term_id AND term.workspace_id = agent_workspace
    ORDER BY mention."position";
END $$;
COMMENT ON FUNCTION parlant.find_terms(uuid, text) IS
    'Every place in a text that names a term of an agent, by its name or a synonym: whole words, the longest match '
    'first, whatever case and accents; where two terms share words, the more important one. Positions count characters '
    'from 1.';

CREATE FUNCTION parlant.session_variables(session_id uuid, include_private boolean DEFAULT true) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    session record;
    far jsonb;
    near jsonb;
    shows_private boolean := include_private AND parlant.current_customer_id() IS NULL;
BEGIN
    SELECT s.workspace_id, s.agent_id, s.customer_id, s.variables INTO session
    FROM parlant.parlant_session AS s WHERE s.id = session_variables.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', session_variables.session_id::text);
    END IF;

    -- The nearest value decides, also whether it is private: what lies behind a private one stays hidden.
    SELECT jsonb_object_agg(key, value) FILTER (WHERE distance > 1 AND (shows_private OR NOT is_private)),
           jsonb_object_agg(key, value) FILTER (WHERE distance = 1 AND (shows_private OR NOT is_private))
    INTO far, near
    FROM (
        SELECT DISTINCT ON (key) key, value, is_private, distance
        FROM (
            SELECT v.key, v.value, v.is_private, 1 AS distance FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = session.workspace_id AND v.agent_id = session.agent_id
              AND v.session_id = session_variables.session_id AND v.customer_id IS NULL
            UNION ALL
            SELECT v.key, v.value, v.is_private, 2 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = session.workspace_id AND v.agent_id = session.agent_id
              AND v.session_id IS NULL AND v.customer_id = session.customer_id
            UNION ALL
            SELECT v.key, v.value, v.is_private, 3 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = session.workspace_id AND v.agent_id = session.agent_id
              AND v.session_id IS NULL AND v.customer_id IS NULL
            UNION ALL
            SELECT v.key, v.value, v.is_private, 4 FROM parlant.parlant_variable AS v
            WHERE v.workspace_id = session.workspace_id AND v.agent_id IS NULL
              AND v.session_id IS NULL AND v.customer_id IS NULL
        ) AS visible
        ORDER BY key, distance
    ) AS nearest;
    RETURN coalesce(far, '{}') || coalesce(session.variables, '{}') || coalesce(near, '{}');
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
    SELECT r.template, r.enabled INTO response
    FROM parlant.parlant_session AS s
    JOIN parlant.parlant_canned_response AS r ON r.workspace_id = s.workspace_id AND r.agent_id = s.agent_id
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
    RETURN parlant.render_template(response.template,
                                   parlant.session_variables(session_id, false) || coalesce(variables, '{}'));
END $$;
COMMENT ON FUNCTION parlant.render_canned_response(uuid, uuid, jsonb) IS
    'The text of a canned response in a session: its template with the session''s variables, apart from private ones, '
    'and those passed here, which win. An error lists every variable that is missing.';

