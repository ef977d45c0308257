-- Tools: what agents may call, calls within their limits, and the health of what runs them.

CREATE FUNCTION parlant.tool_name(name text, longest integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN length(name) <= longest THEN name ELSE left(name, longest - 9) || '_' || left(md5(name), 8) END
$$;
COMMENT ON FUNCTION parlant.tool_name(text, integer) IS
    'Internal: the name of a tool for an API that takes only short ones; a long name ends with a part of its hash.';

CREATE FUNCTION parlant.object_schema(schema jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '{"type": "object", "properties": {}}' || schema
$$;
COMMENT ON FUNCTION parlant.object_schema(jsonb) IS
    'Internal: a schema of arguments that says that they are an object, as APIs of models ask for.';

CREATE FUNCTION parlant.agent_tools(agent_id uuid, format text DEFAULT 'parlant') RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    workspace text;
    tools jsonb;
BEGIN
    IF format IS NULL OR format NOT IN ('parlant', 'openai', 'mcp') THEN
        RAISE EXCEPTION 'there is no format %', coalesce(quote_literal(format), 'NULL') USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Formats are parlant, openai and mcp.',
            HINT = 'Pass one of them, or leave it out for parlant.';
    END IF;
    SELECT agent.workspace_id INTO workspace
    FROM parlant.parlant_agent AS agent WHERE agent.id = agent_tools.agent_id AND agent.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('agent', agent_id::text);
    END IF;

    SELECT jsonb_agg(
        CASE format
            WHEN 'openai' THEN jsonb_build_object('type', 'function', 'function', jsonb_build_object(
                'name', parlant.tool_name(tool.name, 64),
                'description', concat_ws(E'\n\n', tool.description, tool.usage_guidelines),
                'parameters', parlant.object_schema(tool.parameters)))
            WHEN 'mcp' THEN jsonb_strip_nulls(jsonb_build_object(
                'name', parlant.tool_name(tool.name, 128), 'title', tool.display_name,
                'description', concat_ws(E'\n\n', tool.description, tool.usage_guidelines)))
                || jsonb_build_object('inputSchema', parlant.object_schema(tool.parameters))
                || CASE WHEN tool.return_schema ->> 'type' = 'object'
                        THEN jsonb_build_object('outputSchema', tool.return_schema) ELSE '{}' END
            ELSE jsonb_build_object(
                'tool_id', tool.id, 'name', tool.name, 'function_name', parlant.tool_name(tool.name, 64),
                'display_name', tool.display_name, 'description', tool.description, 'tool_type', tool.tool_type,
                'parameters', tool.parameters, 'return_schema', tool.return_schema,
                'usage_guidelines', tool.usage_guidelines, 'execution_timeout', tool.execution_timeout,
                'retry_policy', tool.retry_policy, 'error_handling', tool.error_handling,
                'rate_limit_per_minute', tool.rate_limit_per_minute, 'rate_limit_per_hour', tool.rate_limit_per_hour,
                'requires_auth', tool.requires_auth, 'auth_type', tool.auth_type, 'priority', coalesce(assignment.priority, 100))
        END
        ORDER BY coalesce(assignment.priority, 100) DESC, tool.created_at, tool.id)
    INTO tools
    FROM parlant.parlant_tool AS tool
    LEFT JOIN parlant.parlant_agent_tool AS assignment
      ON assignment.workspace_id = workspace AND assignment.agent_id = agent_tools.agent_id
     AND assignment.tool_id = tool.id
    -- Assigned or public.
    WHERE tool.workspace_id = workspace AND tool.enabled AND NOT tool.is_deprecated
      AND coalesce(assignment.enabled, tool.is_public);

    RETURN CASE format WHEN 'mcp' THEN jsonb_build_object('tools', coalesce(tools, '[]')) ELSE coalesce(tools, '[]') END;
END $$;
COMMENT ON FUNCTION parlant.agent_tools(uuid, text) IS
    'The tools that an agent may call, the preferred first, without secrets: for an engine (parlant), as the tools of '
    'OpenAI''s APIs (openai), or as the result of MCP''s tools/list (mcp).';

COMMENT ON FUNCTION parlant.argument_violations(uuid, jsonb, jsonb) IS
    'Internal: what the schema of a tool has against arguments. Call validate_tool_arguments.';

-- PostgreSQL puts it into the statement that calls it, which so reads a tool once for any number of arguments.
CREATE FUNCTION parlant.validate_tool_arguments(tool_id uuid, arguments jsonb) RETURNS TABLE (path text, message text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT violation.path, violation.message
    FROM parlant.argument_violations(
        validate_tool_arguments.tool_id,
        (SELECT tool.parameters FROM parlant.parlant_tool AS tool WHERE tool.id = validate_tool_arguments.tool_id),
        validate_tool_arguments.arguments) AS violation
$$;
COMMENT ON FUNCTION parlant.validate_tool_arguments(uuid, jsonb) IS
    'Everything that a tool''s parameters, a JSON Schema, have against arguments, each with a JSON Pointer; no row if '
    'nothing.';

CREATE FUNCTION parlant.is_locked_elsewhere(key bigint) RETURNS boolean
    LANGUAGE sql AS $$
    SELECT CASE WHEN pg_try_advisory_lock_shared(key) THEN NOT pg_advisory_unlock_shared(key) ELSE true END
$$;
COMMENT ON FUNCTION parlant.is_locked_elsewhere(bigint) IS
    'Internal: whether another transaction holds this advisory lock alone.';

CREATE FUNCTION parlant.tool_call_possible_at(workspace_id text, tool_id uuid, number bigint, most integer, length interval,
                                              now_utc timestamp) RETURNS timestamp
    LANGUAGE plpgsql STRICT AS $$
#variable_conflict use_variable
DECLARE
    seed CONSTANT text := 'parlant tool call ' || tool_id || ' ';
    opens timestamp := now_utc - length;
    -- A call may be up to five seconds later than one with a higher number, which claim_tool_call() sees to.
    surely_before timestamp := opens - interval '5 seconds';
    earlier record;
    before_window bigint;
    undecided bigint[];
    noted bigint[];
    in_window bigint;
    in_flight bigint;
    admitted bigint;
BEGIN
    -- Mostly there are fewer numbers in the window than calls are allowed.
    SELECT c.number, c.called_at INTO earlier FROM parlant.parlant_tool_call AS c
    WHERE c.workspace_id = tool_call_possible_at.workspace_id AND c.tool_id = tool_call_possible_at.tool_id
      AND c.number <= tool_call_possible_at.number - most
    ORDER BY c.number DESC LIMIT 1;
    IF number <= most OR (earlier.number = number - most AND earlier.called_at <= surely_before) THEN
        RETURN NULL;
    END IF;

    SELECT coalesce(max(c.number), 0) INTO before_window
    FROM parlant.parlant_tool_call AS c
    WHERE c.workspace_id = tool_call_possible_at.workspace_id AND c.tool_id = tool_call_possible_at.tool_id
      AND c.called_at <= surely_before;
    LOOP
        -- Numbers without a row are those of transactions that have rolled back, or, where the lock is held, may yet commit.
        undecided := ARRAY(
            SELECT unseen
            FROM generate_series(greatest(before_window + 1, number - 10000), number - 1) AS unseen
            WHERE NOT EXISTS (
                    SELECT FROM parlant.parlant_tool_call AS c
                    WHERE c.workspace_id = tool_call_possible_at.workspace_id AND c.tool_id = tool_call_possible_at.tool_id
                      AND c.number = unseen)
              AND parlant.is_locked_elsewhere(hashtextextended(seed || unseen, 0)));
        -- Rows are counted after that, and all at one moment: a transaction lets go of its lock when its row can be seen.
        SELECT count(*) FILTER (WHERE c.called_at > opens),
               coalesce(array_agg(c.number) FILTER (WHERE c.number = ANY (undecided)), '{}')
        INTO in_window, noted
        FROM parlant.parlant_tool_call AS c
        WHERE c.workspace_id = tool_call_possible_at.workspace_id AND c.tool_id = tool_call_possible_at.tool_id;
        in_flight := cardinality(undecided) - cardinality(noted);
        IF in_window + in_flight < most THEN
            RETURN NULL;
        END IF;
        -- Only calls within the limits refuse this one. The others with lower numbers still count, which takes them no
        -- time, or are about to be refused: this one waits for that, and they only for those with yet lower numbers.
        SELECT count(*) INTO admitted FROM unnest(undecided) AS unseen
        WHERE unseen <> ALL (noted) AND parlant.is_locked_elsewhere(hashtextextended(seed || unseen, 2));
        EXIT WHEN in_window + admitted >= most OR timezone('utc', clock_timestamp()) > now_utc + interval '5 seconds';
        PERFORM pg_sleep(0.001);
    END LOOP;
    -- When so many have left the window that one more fits; a call whose end is open may be as late as this one.
    RETURN coalesce((
        SELECT c.called_at FROM parlant.parlant_tool_call AS c
        WHERE c.workspace_id = tool_call_possible_at.workspace_id AND c.tool_id = tool_call_possible_at.tool_id
          AND c.called_at > opens
        ORDER BY c.called_at OFFSET greatest(in_window + admitted - most, 0) LIMIT 1), now_utc) + length;
END $$;
COMMENT ON FUNCTION parlant.tool_call_possible_at(text, uuid, bigint, integer, interval, timestamp) IS
    'Internal: when a tool that has been called so often in a window can be called again; NULL if now.';

CREATE FUNCTION parlant.is_below_a_tool_call(tool_id uuid, number bigint) RETURNS boolean
    LANGUAGE plpgsql AS $$
DECLARE
    key CONSTANT bigint := hashtextextended('parlant tool call ' || tool_id || ' ' || number, 1);
BEGIN
    RETURN CASE WHEN pg_try_advisory_lock(key) THEN NOT pg_advisory_unlock(key) ELSE true END;
END $$;
COMMENT ON FUNCTION parlant.is_below_a_tool_call(uuid, bigint) IS
    'Internal: whether another transaction that may yet commit has a call of the tool with this number or a higher one.';

CREATE FUNCTION parlant.claim_tool_call(workspace_id text, tool_id uuid, tool_name text, per_minute integer, per_hour integer)
    RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    -- Calls of a tool have ascending numbers. A transaction holds a lock on each number that it uses, so that others
    -- can tell a call that may yet commit, take a higher number, and never wait for its end. Every call counts those
    -- with lower numbers, so together they never exceed a limit.
    -- A number that a rollback has freed must not be taken below one that is in use: the call with the higher number has
    -- not counted it. So a transaction also holds a second lock, shared, on all numbers up to its own that have no row.
    -- It takes a third lock on its number when it has found the call within the limits.
    seed CONSTANT text := 'parlant tool call ' || tool_id || ' ';
    last bigint;
    next bigint := 0;
    began timestamp;
    now_utc timestamp;
    limited record;
BEGIN
    IF per_minute IS NULL AND per_hour IS NULL THEN
        RETURN;
    ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'calls of tool "%" cannot be counted in this transaction', tool_name USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'The tool has a rate limit, and the transaction is ' || upper(current_setting('transaction_isolation'))
                     || ': it does not see the calls that others have committed since it began.',
            HINT = 'Call the tool in a READ COMMITTED transaction.';
    END IF;
    FOR attempt IN 1..10000 LOOP
        SELECT coalesce(max(c.number), 0) INTO last FROM parlant.parlant_tool_call AS c
        WHERE c.workspace_id = claim_tool_call.workspace_id AND c.tool_id = claim_tool_call.tool_id;
        next := greatest(last, next) + 1;
        began := timezone('utc', clock_timestamp());
        CONTINUE WHEN parlant.is_below_a_tool_call(tool_id, next);
        -- Only with its subtransaction does a number that is not used after all lose its locks.
        BEGIN
            CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended(seed || next, 0));
            -- Nobody holds this lock alone for longer than it takes to try it.
            PERFORM pg_advisory_xact_lock_shared(hashtextextended(seed || below, 1)) FROM generate_series(last + 1, next) AS below;
            -- A higher number may have come into use meanwhile, or this one been used and its lock let go.
            now_utc := timezone('utc', clock_timestamp());
            IF parlant.is_below_a_tool_call(tool_id, next) OR now_utc > began + interval '5 seconds' OR EXISTS (
                SELECT FROM parlant.parlant_tool_call AS c
                WHERE c.workspace_id = claim_tool_call.workspace_id AND c.tool_id = claim_tool_call.tool_id AND c.number >= next)
            THEN
                RAISE EXCEPTION 'number % cannot be used', next;
            END IF;
        EXCEPTION WHEN raise_exception THEN
            CONTINUE;
        END;

        SELECT name, most, again INTO limited
        FROM (VALUES ('minute', per_minute, interval '1 minute'), ('hour', per_hour, interval '1 hour')) AS "window" (name, most, length)
        CROSS JOIN LATERAL parlant.tool_call_possible_at(workspace_id, tool_id, next, most, length, now_utc) AS again
        WHERE most IS NOT NULL AND again > now_utc
        ORDER BY again DESC LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'tool "%" has been called % times in a%', tool_name, limited.most,
                CASE limited.name WHEN 'minute' THEN ' minute' ELSE 'n hour' END USING
                ERRCODE = 'configuration_limit_exceeded',
                DETAIL = 'The next call is possible in ' || ceil(extract(epoch FROM limited.again - now_utc)) || ' seconds, at '
                         || to_char(limited.again, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '.',
                HINT = 'Call it again then, or raise rate_limit_per_' || limited.name || ' of the tool.';
        END IF;

        -- Nobody else holds this lock for longer than it takes to try it.
        PERFORM pg_advisory_xact_lock(hashtextextended(seed || next, 2));
        INSERT INTO parlant.parlant_tool_call (workspace_id, tool_id, number, called_at)
        VALUES (workspace_id, tool_id, next, now_utc)
        ON CONFLICT ON CONSTRAINT parlant_tool_call_key DO NOTHING;
        IF FOUND THEN
            -- For one that comes up to two go that no window reaches. One such call stays: before it nothing counts.
            DELETE FROM parlant.parlant_tool_call AS c
            WHERE c.workspace_id = claim_tool_call.workspace_id AND c.tool_id = claim_tool_call.tool_id AND c.number IN (
                SELECT old.number
                FROM (SELECT o.number, lead(o.called_at) OVER (ORDER BY o.number) AS next_called_at
                      FROM (SELECT l.number, l.called_at FROM parlant.parlant_tool_call AS l
                            WHERE l.workspace_id = claim_tool_call.workspace_id AND l.tool_id = claim_tool_call.tool_id
                            ORDER BY l.number LIMIT 3) AS o) AS lowest
                JOIN parlant.parlant_tool_call AS old
                  ON old.workspace_id = claim_tool_call.workspace_id AND old.tool_id = claim_tool_call.tool_id
                 AND old.number = lowest.number
                WHERE lowest.next_called_at < now_utc - interval '1 hour 5 seconds'
                FOR UPDATE OF old SKIP LOCKED);
            RETURN;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'tool "%" is called by too many at once', tool_name USING
        ERRCODE = 'configuration_limit_exceeded',
        DETAIL = 'More than 10000 transactions that call it are open.',
        HINT = 'Commit after call_tool, before the tool runs.';
END $$;
COMMENT ON FUNCTION parlant.claim_tool_call(text, uuid, text, integer, integer) IS
    'Internal: notes a call of a tool, or refuses it with 53400 where the tool has been called too often.';

CREATE FUNCTION parlant.renamed_members(object jsonb, names jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(object) <> 'object' OR coalesce(names, '{}') = '{}' THEN object
        ELSE coalesce((
            -- A name that is given wins over one that is kept.
            SELECT jsonb_object_agg(name, value ORDER BY is_given)
            FROM (SELECT CASE jsonb_typeof(names -> key) WHEN 'string' THEN names ->> key ELSE key END AS name, value,
                         coalesce(jsonb_typeof(names -> key) = 'string', false) AS is_given
                  FROM jsonb_each(object)) AS member), '{}') END
$$;
COMMENT ON FUNCTION parlant.renamed_members(jsonb, jsonb) IS
    'Internal: an object with other names for some of its members; what is no object stays as it is.';

CREATE FUNCTION parlant.call_tool(session_id uuid, tool_id uuid, arguments jsonb, tool_call_id text)
    RETURNS TABLE (event_id uuid, "offset" integer, mapped_arguments jsonb, configuration jsonb, integration_id uuid,
                   integration_type text, target_id text)
    LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    session record;
    tool record;
    assignment record;
    integration record;
    settings jsonb;
    sent jsonb;
    violations text;
    event record;
BEGIN
    SELECT s.workspace_id, s.agent_id, a.name AS agent_name INTO session
    FROM parlant.parlant_session AS s
    JOIN parlant.parlant_agent AS a ON a.workspace_id = s.workspace_id AND a.id = s.agent_id
    WHERE s.id = call_tool.session_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('session', call_tool.session_id::text);
    END IF;
    SELECT t.name, t.parameters, t.enabled, t.is_deprecated, t.is_public, t.rate_limit_per_minute, t.rate_limit_per_hour INTO tool
    FROM parlant.parlant_tool AS t WHERE t.workspace_id = session.workspace_id AND t.id = call_tool.tool_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('tool', call_tool.tool_id::text);
    END IF;
    IF call_tool.tool_call_id IS NULL THEN
        RAISE EXCEPTION 'a call of tool "%" needs a tool_call_id', tool.name USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It joins the call with its result.',
            HINT = 'Pass the id that the model gave, or a new one.';
    END IF;

    SELECT t.enabled, t.configuration INTO assignment
    FROM parlant.parlant_agent_tool AS t
    WHERE t.workspace_id = session.workspace_id AND t.agent_id = session.agent_id AND t.tool_id = call_tool.tool_id;
    IF NOT coalesce(assignment.enabled, tool.is_public) THEN
        RAISE EXCEPTION 'agent "%" may not call tool "%"', session.agent_name, tool.name USING
            ERRCODE = 'insufficient_privilege',
            DETAIL = CASE WHEN assignment.enabled IS NULL THEN 'The tool is not assigned to the agent.'
                          ELSE 'The assignment of the tool to the agent is disabled.' END,
            HINT = 'Assign it in parlant_agent_tool, or make the tool public.';
    ELSIF NOT tool.enabled OR tool.is_deprecated THEN
        RAISE EXCEPTION 'tool "%" is %', tool.name, CASE WHEN tool.enabled THEN 'deprecated' ELSE 'disabled' END USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'It is kept, and cannot be called.',
            HINT = 'Use one that agent_tools lists.';
    END IF;

    SELECT i.id, i.integration_type, i.target_id, i.configuration, i.parameter_mapping, i.enabled INTO integration
    FROM parlant.parlant_tool_integration AS i
    WHERE i.workspace_id = session.workspace_id AND i.parlant_tool_id = call_tool.tool_id
    ORDER BY i.enabled DESC, CASE i.health_status WHEN 'degraded' THEN 2 WHEN 'unhealthy' THEN 3 ELSE 1 END, i.created_at, i.id
    LIMIT 1;
    IF NOT integration.enabled THEN
        RAISE EXCEPTION 'tool "%" has no enabled integration', tool.name USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'All of its integrations are disabled, by somebody or by too many failures.',
            HINT = 'See parlant_tool_integration.last_error, and enable one.';
    END IF;

    settings := coalesce(integration.configuration, '{}') || coalesce(assignment.configuration, '{}');
    IF jsonb_typeof(call_tool.arguments) = 'object' AND jsonb_typeof(settings -> 'arguments') = 'object' THEN
        sent := (settings -> 'arguments') || call_tool.arguments;
    ELSE
        sent := call_tool.arguments;
    END IF;
    IF jsonb_typeof(sent) IS DISTINCT FROM 'object' THEN
        violations := 'arguments must be an object';
    ELSE
        SELECT string_agg(coalesce(nullif(violation.path, ''), '/') || ': ' || violation.message, '; ') INTO violations
        FROM parlant.json_schema_violations(tool.parameters, sent) AS violation;
    END IF;
    IF violations IS NOT NULL THEN
        RAISE EXCEPTION 'tool "%" does not take these arguments', tool.name USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = violations,
            HINT = 'validate_tool_arguments lists the violations as rows.';
    END IF;

    -- Lock order: first the session, by its event, then the tool's numbers, which nobody waits for.
    SELECT appended.event_id, appended."offset" INTO event
    FROM parlant.append_event(
        call_tool.session_id, 'tool_call',
        jsonb_build_object('tool_id', call_tool.tool_id, 'tool_name', tool.name, 'tool_call_id', call_tool.tool_call_id,
                           'parameters', sent),
        CASE WHEN integration.id IS NULL THEN '{}' ELSE jsonb_build_object('integration_id', integration.id) END,
        call_tool.tool_call_id) AS appended;
    PERFORM parlant.claim_tool_call(session.workspace_id, call_tool.tool_id, tool.name, tool.rate_limit_per_minute,
                                    tool.rate_limit_per_hour);

    RETURN QUERY SELECT event.event_id, event."offset", parlant.renamed_members(sent, integration.parameter_mapping),
                        settings - 'arguments', integration.id, integration.integration_type, integration.target_id;
END $$;
COMMENT ON FUNCTION parlant.call_tool(uuid, uuid, jsonb, text) IS
    'Logs that the agent of a session calls a tool, if it may, the arguments fit and no rate limit is reached (53400), '
    'and returns what the engine needs to do so: the arguments with the names of the target, its id and kind, and the '
    'settings of the binding, overridden by those of the agent. Member arguments of the settings fills in arguments.';

CREATE FUNCTION parlant.finish_tool_call(session_id uuid, tool_call_id text, result jsonb, success boolean DEFAULT true,
                                         duration_ms integer DEFAULT NULL)
    RETURNS TABLE (event_id uuid, "offset" integer)
    LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    call record;
    names jsonb;
BEGIN
    IF duration_ms < 0 THEN
        RAISE EXCEPTION 'a call cannot take % milliseconds', duration_ms USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The duration is negative.',
            HINT = 'Pass the time from the call to its result, or NULL.';
    END IF;
    SELECT e.workspace_id, e.content, e.metadata INTO call
    FROM parlant.parlant_session AS s
    JOIN parlant.parlant_event AS e ON e.workspace_id = s.workspace_id AND e.session_id = s.id
    WHERE s.id = finish_tool_call.session_id AND e.tool_call_id = finish_tool_call.tool_call_id AND e.event_type = 'tool_call';
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('tool call', coalesce(finish_tool_call.tool_call_id, 'NULL') || ' of session '
                                       || coalesce(finish_tool_call.session_id::text, 'NULL'));
    END IF;
    SELECT i.response_mapping INTO names FROM parlant.parlant_tool_integration AS i
    WHERE i.workspace_id = call.workspace_id AND i.id::text = call.metadata ->> 'integration_id';
    RETURN QUERY
    SELECT appended.event_id, appended."offset"
    FROM parlant.append_event(
        finish_tool_call.session_id, 'tool_result',
        jsonb_strip_nulls(jsonb_build_object(
            'tool_id', call.content -> 'tool_id', 'tool_name', call.content -> 'tool_name',
            'tool_call_id', finish_tool_call.tool_call_id, 'success', coalesce(finish_tool_call.success, true),
            'execution_time_ms', finish_tool_call.duration_ms))
        || jsonb_build_object('result', parlant.renamed_members(finish_tool_call.result, names)),
        '{}', finish_tool_call.tool_call_id) AS appended;
END $$;
COMMENT ON FUNCTION parlant.finish_tool_call(uuid, text, jsonb, boolean, integer) IS
    'Logs the result of a tool call, with the names that the tool''s integration has for the members of the response. '
    'The tool''s use count and success rate follow from the log, by refresh_totals().';

CREATE FUNCTION parlant.report_tool_health(integration_id uuid, healthy boolean, error text DEFAULT NULL)
    RETURNS TABLE (health_status text, error_count integer, enabled boolean)
    LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    IF healthy IS NULL THEN
        RAISE EXCEPTION 'healthy is NULL' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'A health report says whether the integration works.',
            HINT = 'Pass true or false.';
    END IF;
    RETURN QUERY
    UPDATE parlant.parlant_tool_integration AS i
    SET error_count = CASE WHEN healthy THEN 0 ELSE i.error_count + 1 END,
        health_status = CASE WHEN healthy THEN 'healthy' ELSE parlant.tool_health(i.error_count + 1) END,
        enabled = i.enabled AND (healthy OR NOT parlant.is_disabled_by(i.error_count + 1)),
        last_error = CASE WHEN healthy THEN i.last_error ELSE left(report_tool_health.error, 2000) END,
        last_health_check = timezone('utc', clock_timestamp())
    WHERE i.id = report_tool_health.integration_id
    RETURNING i.health_status, i.error_count, i.enabled;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('integration', report_tool_health.integration_id::text);
    END IF;
END $$;
COMMENT ON FUNCTION parlant.report_tool_health(uuid, boolean, text) IS
    'Notes whether an integration worked. Failures in a row make it degraded, unhealthy and at last disabled, from the '
    'counts in parlant.tool_degraded_after, parlant.tool_unhealthy_after and parlant.tool_disabled_after on. A success '
    'makes it healthy again; a disabled one stays so until somebody enables it.';
COMMENT ON FUNCTION parlant.tool_health(integer) IS
    'Internal: the health of an integration that failed so many times in a row.';
COMMENT ON FUNCTION parlant.is_disabled_by(integer) IS
    'Internal: whether so many failures in a row disable an integration.';

CREATE FUNCTION parlant.tool_identifier(title text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN plain ~ '^[a-zA-Z]' THEN plain ELSE left('tool_' || plain, 240) END
    FROM (SELECT left(btrim(regexp_replace(title, '[^a-zA-Z0-9_-]+', '_', 'g'), '_'), 240) AS plain) AS made
$$;
COMMENT ON FUNCTION parlant.tool_identifier(text) IS 'Internal: a name that models can call a tool by, made of its title.';

CREATE FUNCTION parlant.free_tool_name(workspace_id text, wanted text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT candidate
    FROM (SELECT wanted AS candidate, 1 AS n UNION ALL SELECT wanted || '_' || n, n FROM generate_series(2, 10001) AS n) AS made
    WHERE NOT EXISTS (SELECT FROM parlant.parlant_tool AS tool
                      WHERE tool.workspace_id = free_tool_name.workspace_id AND tool.name = candidate)
    ORDER BY n LIMIT 1
$$;
COMMENT ON FUNCTION parlant.free_tool_name(text, text) IS
    'Internal: the name, or the name with a number, that no tool of the workspace has.';

CREATE FUNCTION parlant.sync_host_tools(workspace_id text)
    RETURNS TABLE (tool_id uuid, name text, action text, detail text)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    host record;
    tool record;
    found_ids uuid[] := '{}';
    problem text;
BEGIN
    IF sync_host_tools.workspace_id IS NULL THEN
        RAISE EXCEPTION 'workspace_id is NULL' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Tools are those of a workspace.',
            HINT = 'Pass the id of the workspace.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('parlant.sync_host_tools ' || sync_host_tools.workspace_id, 0));
    FOR host IN SELECT * FROM parlant.host_tools(sync_host_tools.workspace_id) LOOP
        SELECT t.id, t.name, t.display_name, t.description, t.parameters, t.is_deprecated, i.id AS integration_id INTO tool
        FROM parlant.parlant_tool_integration AS i
        JOIN parlant.parlant_tool AS t ON t.workspace_id = i.workspace_id AND t.id = i.parlant_tool_id
        WHERE i.workspace_id = sync_host_tools.workspace_id AND i.integration_type = host.kind AND i.target_id = host.id
          AND t.sim_tool_id = host.id
        ORDER BY t.created_at, t.id LIMIT 1;
        found_ids := found_ids || tool.id;
        problem := coalesce(host.problem, parlant.json_schema_error(host.parameters));
        IF problem IS NOT NULL THEN
            RETURN QUERY SELECT tool.id, coalesce(tool.name, host.name), 'skipped', problem;
            CONTINUE;
        END IF;

        host.title := left(coalesce(nullif(btrim(host.title), ''), host.id), 255);
        host.description := left(coalesce(nullif(btrim(host.description), ''), host.title), 2000);
        IF tool.id IS NULL THEN
            INSERT INTO parlant.parlant_tool AS t (
                workspace_id, name, display_name, description, sim_tool_id, tool_type, parameters)
            VALUES (sync_host_tools.workspace_id,
                    parlant.free_tool_name(sync_host_tools.workspace_id, parlant.tool_identifier(host.name)),
                    host.title, host.description, host.id, CASE host.kind WHEN 'custom_tool' THEN 'custom' ELSE 'external' END,
                    host.parameters)
            RETURNING t.id, t.name INTO tool;
            INSERT INTO parlant.parlant_tool_integration (workspace_id, parlant_tool_id, integration_type, target_id, enabled)
            VALUES (sync_host_tools.workspace_id, tool.id, host.kind, host.id, host.enabled);
            found_ids := found_ids || tool.id;
            RETURN QUERY SELECT tool.id, tool.name, 'created', NULL::text;
            CONTINUE;
        END IF;
        -- What the host has switched off is off; what somebody switched off here stays off.
        UPDATE parlant.parlant_tool_integration AS i SET enabled = false
        WHERE i.workspace_id = sync_host_tools.workspace_id AND i.id = tool.integration_id AND i.enabled AND NOT host.enabled;
        IF (tool.display_name, tool.description, tool.parameters, tool.is_deprecated)
           IS DISTINCT FROM (host.title, host.description, host.parameters, false) THEN
            UPDATE parlant.parlant_tool AS t
            SET display_name = host.title, description = host.description, parameters = host.parameters, is_deprecated = false
            WHERE t.workspace_id = sync_host_tools.workspace_id AND t.id = tool.id;
            RETURN QUERY SELECT tool.id, tool.name, CASE WHEN tool.is_deprecated THEN 'restored' ELSE 'updated' END, NULL::text;
        ELSE
            RETURN QUERY SELECT tool.id, tool.name, 'unchanged', NULL::text;
        END IF;
    END LOOP;

    RETURN QUERY
    WITH gone AS (
        UPDATE parlant.parlant_tool AS t SET is_deprecated = true
        WHERE t.workspace_id = sync_host_tools.workspace_id AND t.sim_tool_id IS NOT NULL AND NOT t.is_deprecated
          AND t.id <> ALL (array_remove(found_ids, NULL))
          AND EXISTS (SELECT FROM parlant.parlant_tool_integration AS i
                      WHERE i.workspace_id = t.workspace_id AND i.parlant_tool_id = t.id
                        AND i.integration_type IN ('custom_tool', 'mcp_server') AND i.target_id = t.sim_tool_id)
        RETURNING t.id, t.name)
    SELECT gone.id, gone.name, 'vanished', NULL::text FROM gone ORDER BY gone.name;
END $$;
COMMENT ON FUNCTION parlant.sync_host_tools(text) IS
    'Makes tools with integrations of the host''s custom tools and MCP servers of a workspace, and brings those that it '
    'made earlier up to date. What the host has no longer becomes deprecated, and comes back if the host has it again.';
COMMENT ON FUNCTION parlant.host_tools(text) IS
    'Internal: what the host has in a workspace that can be a tool.';

CREATE FUNCTION parlant.template_parameter_schema(template_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object(
        'type', 'object', 'additionalProperties', false,
        'required', coalesce(jsonb_agg(p.name ORDER BY p.display_order, p.name)
                             FILTER (WHERE p.required AND coalesce(p.default_value, 'null') = 'null'), '[]'),
        'properties', coalesce(jsonb_object_agg(p.name, jsonb_strip_nulls(jsonb_build_object(
            'type', nullif(p.type, 'json'),
            'description', p.description,
            CASE p.type WHEN 'string' THEN 'minLength' WHEN 'array' THEN 'minItems' WHEN 'object' THEN 'minProperties'
                        ELSE 'minimum' END, p.validation -> 'min',
            CASE p.type WHEN 'string' THEN 'maxLength' WHEN 'array' THEN 'maxItems' WHEN 'object' THEN 'maxProperties'
                        ELSE 'maximum' END, p.validation -> 'max',
            'pattern', p.validation -> 'pattern',
            'enum', p.validation -> 'allowed_values'))) FILTER (WHERE p.name IS NOT NULL), '{}'))
    FROM parlant.parlant_template_parameter AS p
    JOIN parlant.parlant_workflow_template AS t ON t.workspace_id = p.workspace_id AND t.id = p.template_id
    WHERE t.id = template_parameter_schema.template_id
$$;
COMMENT ON FUNCTION parlant.template_parameter_schema(uuid) IS
    'The JSON Schema of a workflow template''s parameters: types, min and max (of a number, a length or a count), '
    'pattern, allowed_values, and which are required; unknown ones are refused.';

CREATE FUNCTION parlant.check_template_parameters(template_id uuid, parameters jsonb)
    RETURNS TABLE (path text, message text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    schema jsonb := parlant.template_parameter_schema(template_id);
    fault text := parlant.json_schema_error(schema);
BEGIN
    PERFORM FROM parlant.parlant_workflow_template AS t WHERE t.id = check_template_parameters.template_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('workflow template', template_id::text);
    ELSIF fault IS NOT NULL THEN
        RAISE EXCEPTION 'the parameters of workflow template % have a broken validation', template_id USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = fault,
            HINT = 'Correct parlant_template_parameter.validation: min, max, pattern and allowed_values.';
    END IF;
    RETURN QUERY
    SELECT v.path, v.message FROM parlant.json_schema_violations(schema, coalesce(parameters, 'null')) AS v;
END $$;
COMMENT ON FUNCTION parlant.check_template_parameters(uuid, jsonb) IS
    'Everything that is wrong with parameters for a workflow template, each with a JSON Pointer; no row if nothing.';

CREATE FUNCTION parlant.template_parameters(template_id uuid, parameters jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    problems text;
BEGIN
    SELECT string_agg(coalesce(nullif(p.path, ''), '/') || ': ' || p.message, '; ') INTO problems
    FROM parlant.check_template_parameters(template_parameters.template_id, template_parameters.parameters) AS p;
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'workflow template "%" does not take these parameters', (
            SELECT t.name FROM parlant.parlant_workflow_template AS t WHERE t.id = template_parameters.template_id) USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = problems,
            HINT = 'check_template_parameters lists the problems as rows.';
    END IF;
    RETURN coalesce((
        SELECT jsonb_object_agg(p.name, p.default_value)
        FROM parlant.parlant_workflow_template AS t
        JOIN parlant.parlant_template_parameter AS p ON p.workspace_id = t.workspace_id AND p.template_id = t.id
        WHERE t.id = template_parameters.template_id AND coalesce(p.default_value, 'null') <> 'null'), '{}') || parameters;
END $$;
COMMENT ON FUNCTION parlant.template_parameters(uuid, jsonb) IS
    'The parameters for a workflow template, checked, with the defaults of those that are left out. An error lists '
    'everything that is wrong.';

CREATE FUNCTION parlant.instantiate_workflow_template(template_id uuid, agent_id uuid, parameters jsonb DEFAULT '{}')
    RETURNS TABLE (journey_id uuid, warnings jsonb)
    LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    template record;
    made record;
BEGIN
    SELECT t.workspace_id, t.workflow_data INTO template
    FROM parlant.parlant_workflow_template AS t WHERE t.id = instantiate_workflow_template.template_id;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('workflow template', instantiate_workflow_template.template_id::text);
    END IF;
    PERFORM FROM parlant.parlant_agent AS a
    WHERE a.workspace_id = template.workspace_id AND a.id = instantiate_workflow_template.agent_id AND a.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM parlant.refuse_unknown('agent', instantiate_workflow_template.agent_id::text);
    END IF;
    SELECT imported.journey_id, imported.warnings INTO made
    FROM parlant.import_workflow(
        instantiate_workflow_template.agent_id, template.workflow_data,
        parlant.template_parameters(instantiate_workflow_template.template_id, instantiate_workflow_template.parameters)) AS imported;
    UPDATE parlant.parlant_conversion_history AS h SET template_id = instantiate_workflow_template.template_id
    WHERE h.workspace_id = template.workspace_id AND h.agent_id = instantiate_workflow_template.agent_id
      AND h.result ->> 'journey_id' = made.journey_id::text AND h.template_id IS NULL;
    UPDATE parlant.parlant_workflow_template AS t SET usage_count = t.usage_count + 1
    WHERE t.workspace_id = template.workspace_id AND t.id = instantiate_workflow_template.template_id;
    RETURN QUERY SELECT made.journey_id, made.warnings;
END $$;
COMMENT ON FUNCTION parlant.instantiate_workflow_template(uuid, uuid, jsonb) IS
    'Makes a journey of an agent from a workflow template with checked parameters, as import_workflow does from a workflow.';

CREATE FUNCTION parlant.refresh_tool_totals() RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
    total bigint := 0;
BEGIN
    WITH logged AS (
        SELECT workspace_id, content ->> 'tool_id' AS id,
               least(count(*) FILTER (WHERE event_type = 'tool_call'), 2147483647)::integer AS calls,
               max(created_at) FILTER (WHERE event_type = 'tool_call') AS last,
               round(100.0 * count(*) FILTER (WHERE event_type = 'tool_result' AND content -> 'success' = 'true')
                     / nullif(count(*) FILTER (WHERE event_type = 'tool_result'), 0))::integer AS success_rate
        FROM parlant.parlant_event
        WHERE event_type IN ('tool_call', 'tool_result') AND content ? 'tool_id' GROUP BY 1, 2)
    UPDATE parlant.parlant_tool AS t
    SET use_count = greatest(t.use_count, logged.calls), last_used_at = greatest(t.last_used_at, logged.last),
        success_rate = coalesce(logged.success_rate, t.success_rate)
    FROM logged
    WHERE t.workspace_id = logged.workspace_id AND t.id::text = logged.id
      AND (t.use_count < logged.calls OR t.last_used_at IS NULL OR t.last_used_at < logged.last
           OR t.success_rate IS DISTINCT FROM coalesce(logged.success_rate, t.success_rate));
    GET DIAGNOSTICS changed = ROW_COUNT;
    total := total + changed;

    WITH logged AS (
        SELECT e.workspace_id, s.agent_id, e.content ->> 'tool_id' AS id, least(count(*), 2147483647)::integer AS calls,
               max(e.created_at) AS last
        FROM parlant.parlant_event AS e
        JOIN parlant.parlant_session AS s ON s.workspace_id = e.workspace_id AND s.id = e.session_id
        WHERE e.event_type = 'tool_call' AND e.content ? 'tool_id' GROUP BY 1, 2, 3)
    UPDATE parlant.parlant_agent_tool AS t
    SET use_count = greatest(t.use_count, logged.calls), last_used_at = greatest(t.last_used_at, logged.last)
    FROM logged
    WHERE t.workspace_id = logged.workspace_id AND t.agent_id = logged.agent_id AND t.tool_id::text = logged.id
      AND (t.use_count < logged.calls OR t.last_used_at IS NULL OR t.last_used_at < logged.last);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN total + changed;
END $$;
COMMENT ON FUNCTION parlant.refresh_tool_totals() IS
    'Totals of tools and of their assignments from the log: calls, and the percentage of results that were a success; '
    'part of refresh_totals().';
