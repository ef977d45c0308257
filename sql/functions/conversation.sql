-- Conversations: the triggers of sessions and events, and the functions that clients call.

CREATE FUNCTION parlant.begin_numbering() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'begin_numbering_wrapper';
COMMENT ON FUNCTION parlant.begin_numbering() IS 'Trigger: begins to number the events of a statement.';

CREATE FUNCTION parlant.number_event() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'number_event_wrapper';
COMMENT ON FUNCTION parlant.number_event() IS
    'Trigger: checks an event, gives it the next offset of its session, and fills what it can from the session.';

CREATE FUNCTION parlant.count_events() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'count_events_wrapper';
COMMENT ON FUNCTION parlant.count_events() IS
    'Trigger: brings the counters of sessions up to date when a statement has appended events, and announces them.';

CREATE FUNCTION parlant.refuse_event_change() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'refuse_event_change_wrapper';
COMMENT ON FUNCTION parlant.refuse_event_change() IS
    'Trigger: refuses to change or delete events, unless their session is deleted.';

CREATE FUNCTION parlant.keep_session() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'keep_session_wrapper';
COMMENT ON FUNCTION parlant.keep_session() IS
    'Trigger: leaves the counters of a session to the log, keeps an ended session ended, and keeps updated_at.';

CREATE FUNCTION parlant.begin_session() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    agent record;
BEGIN
    SELECT workspace_id, name, status INTO agent
    FROM parlant.parlant_agent WHERE id = NEW.agent_id AND deleted_at IS NULL;
    IF NOT FOUND THEN
        -- A customer sees no agents.
        SELECT parlant.current_workspace_id() AS workspace_id, NEW.agent_id AS name,
               CASE WHEN startable THEN 'active' ELSE 'inactive' END AS status INTO agent
        FROM parlant.customer_may_start(NEW.agent_id) AS startable WHERE startable IS NOT NULL;
    END IF;
    IF NOT FOUND THEN
        IF NEW.agent_id IS NULL THEN
            RETURN NEW; -- which NOT NULL then refuses
        END IF;
        RAISE EXCEPTION 'parlant_agent % does not exist', NEW.agent_id USING
            ERRCODE = 'foreign_key_violation',
            SCHEMA = 'parlant', TABLE = 'parlant_session', CONSTRAINT = 'agent_is_in_the_workspace',
            DETAIL = 'parlant_session.agent_id refers to it.',
            HINT = 'Check the id. It may also belong to a workspace that you cannot see, or be deleted.';
    END IF;
    IF agent.status <> 'active' AND NEW.status = 'active' THEN
        RAISE EXCEPTION 'agent "%" is %', agent.name, agent.status USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = 'Only an active agent starts sessions.',
            HINT = 'Set the status of the agent to active first.';
    END IF;
    NEW.workspace_id := coalesce(NEW.workspace_id, agent.workspace_id);
    NEW.event_count := 0;
    NEW.message_count := 0;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.begin_session() IS
    'Trigger: refuses a session of an agent that is not active, fills its workspace, and starts its counters at 0.';

CREATE FUNCTION parlant.session_workspace(session_id uuid) RETURNS text
    STABLE PARALLEL SAFE STRICT LANGUAGE plpgsql AS $$
DECLARE
    workspace text;
BEGIN
    SELECT session.workspace_id INTO workspace
    FROM parlant.parlant_session AS session WHERE session.id = session_workspace.session_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'session % does not exist', session_id USING
            ERRCODE = 'no_data_found',
            DETAIL = 'No session that you can see has this id.',
            HINT = 'Check the id, and that the transaction has entered the workspace of the session.';
    END IF;
    RETURN workspace;
END $$;
COMMENT ON FUNCTION parlant.session_workspace(uuid) IS
    'The workspace of a session; P0002 if there is no such session, or none that the caller may see.';

CREATE FUNCTION parlant.start_session(agent_id uuid, user_id text DEFAULT NULL, customer_id text DEFAULT NULL,
                                      options jsonb DEFAULT '{}')
    RETURNS uuid VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql AS $$
DECLARE
    allowed CONSTANT jsonb := '{"id": "string", "mode": "string", "title": "string", "metadata": "object",
        "variables": "object", "session_type": "string", "tags": "array", "user_agent": "string",
        "ip_address": "string", "referrer": "string", "locale": "string", "timezone": "string"}';
    option record;
    started uuid;
BEGIN
    PERFORM FROM parlant.parlant_agent AS agent WHERE agent.id = start_session.agent_id AND agent.deleted_at IS NULL;
    IF NOT FOUND AND parlant.customer_may_start(agent_id) IS NULL THEN
        RAISE EXCEPTION 'agent % does not exist', agent_id USING
            ERRCODE = 'no_data_found',
            DETAIL = 'No agent that you can see has this id.',
            HINT = 'Check the id, and that the transaction has entered the workspace of the agent.';
    END IF;
    IF pg_catalog.jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'options of a session are no object' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = pg_catalog.format('They are %s.', coalesce(pg_catalog.jsonb_typeof(options), 'NULL')),
            HINT = 'Pass an object such as {"title": "Order 66", "timezone": "Europe/Berlin"}.';
    END IF;
    FOR option IN SELECT key, pg_catalog.jsonb_typeof(value) AS kind, allowed ->> key AS expected
                  FROM pg_catalog.jsonb_each(options) LOOP
        IF option.expected IS NULL THEN
            RAISE EXCEPTION 'a session has no option "%"', option.key USING
                ERRCODE = 'invalid_parameter_value',
                DETAIL = 'Options are ' || (SELECT pg_catalog.string_agg(name, ', ' ORDER BY name)
                                            FROM pg_catalog.jsonb_object_keys(allowed) AS name) || '.',
                HINT = 'Put data of your own into metadata.';
        ELSIF option.kind NOT IN (option.expected, 'null') THEN
            RAISE EXCEPTION 'option "%" of a session has the wrong type', option.key USING
                ERRCODE = 'invalid_parameter_value',
                DETAIL = pg_catalog.format('It must be of type %s, and is of type %s.', option.expected, option.kind),
                HINT = 'Leave the option out to have the default.';
        END IF;
    END LOOP;
    IF options ->> 'mode' NOT IN ('auto', 'manual', 'paused') THEN
        RAISE EXCEPTION 'a session has no mode "%"', options ->> 'mode' USING
            ERRCODE = 'invalid_text_representation',
            DETAIL = 'The mode tells who answers.', HINT = 'Modes are auto, manual and paused.';
    END IF;
    IF NOT parlant.is_time_zone(options ->> 'timezone') THEN
        RAISE EXCEPTION '"%" is no time zone', options ->> 'timezone' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'The name of a time zone of the IANA database is expected.',
            HINT = 'Use a name such as Europe/Berlin or UTC; pg_timezone_names lists them.';
    END IF;

    INSERT INTO parlant.parlant_session AS session (
        id, agent_id, user_id, customer_id, mode, title, metadata, variables, session_type, tags, user_agent,
        ip_address, referrer, locale, timezone)
    VALUES (
        coalesce((options ->> 'id')::uuid, parlant.uuidv7()), start_session.agent_id, start_session.user_id,
        coalesce(start_session.customer_id, parlant.current_customer_id()), coalesce(options ->> 'mode', 'auto'),
        options ->> 'title', coalesce(nullif(options -> 'metadata', 'null'), '{}'),
        coalesce(nullif(options -> 'variables', 'null'), '{}'), coalesce(options ->> 'session_type', 'conversation'),
        coalesce(nullif(options -> 'tags', 'null'), '[]'), options ->> 'user_agent', options ->> 'ip_address',
        options ->> 'referrer', coalesce(options ->> 'locale', 'en'), coalesce(options ->> 'timezone', 'UTC'))
    RETURNING session.id INTO started;
    RETURN started;
END $$;
COMMENT ON FUNCTION parlant.start_session(uuid, text, text, jsonb) IS
    'Starts a session of an active agent with a user or a customer, and returns its id. Options are columns of the '
    'session: id, mode, title, metadata, variables, session_type, tags, user_agent, ip_address, referrer, locale, timezone.';

CREATE FUNCTION parlant.is_time_zone(name text) RETURNS boolean
    STABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
    -- Reading all of pg_timezone_names takes a tenth of a second. A name with a slash and without a digit is none of
    -- the other things that PostgreSQL takes for a time zone, so here its own look-up tells.
    RETURN CASE
        WHEN name IS NULL OR name = 'UTC' THEN true
        WHEN name ~ '^[A-Za-z_-]+(/[A-Za-z_-]+)+$' THEN EXISTS (
            SELECT FROM pg_catalog.timezone(name, pg_catalog.now()))
        ELSE EXISTS (SELECT FROM pg_catalog.pg_timezone_names AS zone WHERE zone.name = is_time_zone.name)
    END;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION parlant.is_time_zone(text) IS 'Whether this is the name of a time zone in the IANA database, or NULL.';

CREATE FUNCTION parlant.append_event(session_id uuid, event_type text, content jsonb, metadata jsonb DEFAULT '{}',
                                     tool_call_id text DEFAULT NULL, idempotency_key text DEFAULT NULL,
                                     tokens integer DEFAULT 0, cost integer DEFAULT 0)
    RETURNS TABLE (event_id uuid, "offset" integer, created_at timestamptz, duplicate boolean)
    VOLATILE PARALLEL UNSAFE LANGUAGE c ROWS 1 AS 'MODULE_PATHNAME', 'append_event';
COMMENT ON FUNCTION parlant.append_event(uuid, text, jsonb, jsonb, text, text, integer, integer) IS
    'Appends an event to an active session and returns its offset. A retry with the same idempotency key appends '
    'nothing and returns the first event with duplicate = true. Tokens and cost are added to those of the session.';

CREATE FUNCTION parlant.append_by_query(session_id uuid, event_type text, content jsonb, metadata jsonb, tool_call_id text,
                                        idempotency_key text, tokens integer, cost integer)
    RETURNS TABLE (event_id uuid, "offset" integer, created_at timestamptz, duplicate boolean)
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    workspace text;
    earlier record;
BEGIN
    IF append_by_query.idempotency_key IS NOT NULL THEN
        PERFORM parlant.check_event_type(append_by_query.event_type);
        -- Of two calls with the same key the second waits here, and then finds the event of the first.
        PERFORM parlant.lock_session(append_by_query.session_id);
        workspace := parlant.session_workspace(append_by_query.session_id);
        SELECT id, event."offset", event.created_at, event.event_type, event.content, event.tool_call_id INTO earlier
        FROM parlant.parlant_event AS event
        WHERE workspace_id = workspace AND event.session_id = append_by_query.session_id
          AND event.idempotency_key = append_by_query.idempotency_key;
        IF FOUND THEN
            PERFORM parlant.check_repetition(
                append_by_query.idempotency_key, earlier."offset",
                earlier.event_type = append_by_query.event_type AND earlier.content = append_by_query.content
                AND (append_by_query.tool_call_id IS NULL OR append_by_query.tool_call_id = earlier.tool_call_id));
            RETURN QUERY SELECT earlier.id, earlier."offset", pg_catalog.timezone('utc', earlier.created_at), true;
            RETURN;
        END IF;
        IF append_by_query.tool_call_id IS NULL THEN
            RETURN QUERY
                SELECT appended.event_id, appended.event_offset, pg_catalog.now(), false
                FROM parlant.append_directly(
                    append_by_query.session_id, append_by_query.event_type, append_by_query.content,
                    append_by_query.metadata, append_by_query.idempotency_key,
                    append_by_query.tokens, append_by_query.cost) AS appended;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
    END IF;

    PERFORM parlant.check_event_type(append_by_query.event_type);
    workspace := parlant.session_workspace(append_by_query.session_id);
    RETURN QUERY
        INSERT INTO parlant.parlant_event AS event (
            workspace_id, session_id, event_type, content, metadata, tool_call_id, idempotency_key, tokens, cost)
        VALUES (workspace, append_by_query.session_id, append_by_query.event_type, append_by_query.content,
                append_by_query.metadata, append_by_query.tool_call_id, append_by_query.idempotency_key,
                nullif(append_by_query.tokens, 0), nullif(append_by_query.cost, 0))
        RETURNING event.id, event."offset", pg_catalog.timezone('utc', event.created_at), false;
END $$;
COMMENT ON FUNCTION parlant.append_by_query(uuid, text, jsonb, jsonb, text, text, integer, integer) IS
    'Internal: what append_event does where it takes a query. Call append_event.';

CREATE FUNCTION parlant.append_events(session_id uuid, events jsonb)
    RETURNS TABLE (event_id uuid, "offset" integer, created_at timestamptz, duplicate boolean)
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    workspace text;
    earlier record;
BEGIN
    RETURN QUERY
        SELECT appended.event_id, appended.event_offset, pg_catalog.now(), false
        FROM parlant.append_all_directly(append_events.session_id, events, false) AS appended;
    IF FOUND THEN
        RETURN;
    END IF;
    workspace := parlant.session_workspace(append_events.session_id);
    PERFORM parlant.check_events(events);
    IF EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(events) AS sent WHERE sent ->> 'idempotency_key' IS NOT NULL) THEN
        PERFORM parlant.lock_session(append_events.session_id);
        FOR earlier IN
            SELECT event.idempotency_key, event."offset", event.event_type = sent ->> 'event_type'
                   AND event.content = sent -> 'content'
                   AND (sent ->> 'tool_call_id' IS NULL OR sent ->> 'tool_call_id' = event.tool_call_id) AS is_same
            FROM pg_catalog.jsonb_array_elements(events) AS sent
            -- Has each key looked up in its index, where a join could read the whole session.
            CROSS JOIN LATERAL (
                SELECT * FROM parlant.parlant_event AS event
                WHERE workspace_id = workspace AND event.session_id = append_events.session_id
                  AND event.idempotency_key = sent ->> 'idempotency_key' LIMIT 1) AS event
        LOOP
            PERFORM parlant.check_repetition(earlier.idempotency_key, earlier."offset", earlier.is_same);
        END LOOP;
        IF NOT FOUND THEN
            RETURN QUERY
                SELECT appended.event_id, appended.event_offset, pg_catalog.now(), false
                FROM parlant.append_all_directly(append_events.session_id, events, true) AS appended;
            IF FOUND THEN
                RETURN;
            END IF;
        END IF;
    END IF;
    RETURN QUERY
        WITH sent AS (
            SELECT element, n, event.id, event."offset", event.created_at,
                   pg_catalog.count(*) FILTER (WHERE event.id IS NULL) OVER (ORDER BY n) AS place
            FROM pg_catalog.jsonb_array_elements(events) WITH ORDINALITY AS element (element, n)
            LEFT JOIN LATERAL (
                SELECT * FROM parlant.parlant_event AS event
                WHERE event.workspace_id = workspace AND event.session_id = append_events.session_id
                  AND event.idempotency_key = element ->> 'idempotency_key' LIMIT 1) AS event ON true
        ), appended AS (
            INSERT INTO parlant.parlant_event AS event (
                workspace_id, session_id, event_type, content, metadata, tool_call_id, idempotency_key, tokens, cost)
            SELECT workspace, append_events.session_id, element ->> 'event_type', element -> 'content',
                   coalesce(element -> 'metadata', '{}'), element ->> 'tool_call_id', element ->> 'idempotency_key',
                   nullif((element ->> 'tokens')::integer, 0), nullif((element ->> 'cost')::integer, 0)
            FROM sent WHERE id IS NULL ORDER BY n
            RETURNING event.id, event."offset", event.created_at
        ), placed AS (
            SELECT appended.*, pg_catalog.row_number() OVER (ORDER BY appended."offset") AS place FROM appended
        )
        SELECT coalesce(sent.id, placed.id), coalesce(sent."offset", placed."offset"),
               pg_catalog.timezone('utc', coalesce(sent.created_at, placed.created_at)), sent.id IS NOT NULL
        FROM sent LEFT JOIN placed ON sent.id IS NULL AND placed.place = sent.place
        ORDER BY n;
END $$;
COMMENT ON FUNCTION parlant.append_events(uuid, jsonb) IS
    'Appends the events of a JSON array to an active session, all or none, in one statement. Each is an object with '
    'event_type and content, and optionally metadata, tool_call_id, idempotency_key, tokens and cost.';

CREATE FUNCTION parlant.check_events(events jsonb) RETURNS void
    IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT integer := 10000;
    allowed CONSTANT jsonb := '{"event_type": "string", "content": "object", "metadata": "object",
        "tool_call_id": "string", "idempotency_key": "string", "tokens": "number", "cost": "number"}';
    wrong record;
BEGIN
    IF pg_catalog.jsonb_typeof(events) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'events are no array' USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = pg_catalog.format('They are %s.', coalesce(pg_catalog.jsonb_typeof(events), 'NULL')),
            HINT = 'Pass an array of objects with event_type and content.';
    END IF;
    IF pg_catalog.jsonb_array_length(events) > most THEN
        RAISE EXCEPTION 'too many events' USING
            ERRCODE = 'program_limit_exceeded',
            DETAIL = pg_catalog.format('There are %s, and one call appends at most %s.',
                                       pg_catalog.jsonb_array_length(events), most),
            HINT = 'Append them in several calls of one transaction.';
    END IF;
    SELECT '/' || (n - 1) || coalesce('/' || key, '') AS path,
           CASE WHEN key IS NULL THEN 'must be an object, not ' || pg_catalog.jsonb_typeof(event)
                WHEN value IS NULL THEN 'is missing'
                WHEN allowed ->> key IS NULL THEN 'is no part of an event'
                ELSE pg_catalog.format('must be of type %s, not %s', allowed ->> key, pg_catalog.jsonb_typeof(value)) END AS reason
    INTO wrong
    FROM pg_catalog.jsonb_array_elements(events) WITH ORDINALITY AS element (event, n)
    LEFT JOIN LATERAL (
        SELECT key, value FROM pg_catalog.jsonb_each(CASE pg_catalog.jsonb_typeof(event) WHEN 'object' THEN event ELSE '{}' END)
        UNION ALL
        SELECT key, NULL FROM (VALUES ('event_type'), ('content')) AS required (key)
        WHERE pg_catalog.jsonb_typeof(event) = 'object' AND event -> key IS NULL
    ) AS member ON true
    WHERE pg_catalog.jsonb_typeof(event) <> 'object'
       OR key IS NOT NULL AND (value IS NULL OR allowed ->> key IS NULL OR NOT (
              pg_catalog.jsonb_typeof(value) = allowed ->> key
              OR pg_catalog.jsonb_typeof(value) = 'null' AND key NOT IN ('event_type', 'content')))
    ORDER BY n, key LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'events are wrong at "%"', wrong.path USING
            ERRCODE = 'invalid_parameter_value', DETAIL = wrong.reason || '.',
            HINT = 'An event has event_type and content, and may have metadata, tool_call_id, idempotency_key, tokens and cost.';
    END IF;
    PERFORM parlant.check_event_type(event ->> 'event_type') FROM pg_catalog.jsonb_array_elements(events) AS event;
    SELECT event ->> 'idempotency_key' AS key INTO wrong
    FROM pg_catalog.jsonb_array_elements(events) AS event
    WHERE event ->> 'idempotency_key' IS NOT NULL GROUP BY 1 HAVING pg_catalog.count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'idempotency key "%" is used twice', wrong.key USING
            ERRCODE = 'invalid_parameter_value', DETAIL = 'Each event of a call has a key of its own.',
            HINT = 'Send each event once.';
    END IF;
END $$;
COMMENT ON FUNCTION parlant.check_events(jsonb) IS 'Refuses what is no array of events for append_events, and tells where.';

COMMENT ON FUNCTION parlant.append_all_directly(uuid, jsonb, boolean) IS
    'Internal: appends events without a query, where that is all there is to do; no rows where it is not. Call '
    'append_events.';
COMMENT ON FUNCTION parlant.append_directly(uuid, text, jsonb, jsonb, text, integer, integer) IS
    'Internal: appends an event without an INSERT and returns its id and offset; no row where it takes an INSERT.';
COMMENT ON FUNCTION parlant.check_event_type(text) IS 'Refuses what is no type of an event.';

COMMENT ON FUNCTION parlant.check_repetition(text, integer, boolean) IS
    'Refuses to use an idempotency key again for another event.';

CREATE FUNCTION parlant.read_events(session_id uuid, min_offset integer DEFAULT 0, max_count integer DEFAULT 100,
                                    event_types text DEFAULT NULL)
    RETURNS TABLE ("offset" integer, event_id uuid, event_type text, content jsonb, metadata jsonb, tool_call_id text,
                   journey_id uuid, state_id uuid, created_at timestamptz)
    STABLE PARALLEL SAFE LANGUAGE plpgsql ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(read_events.session_id);
    first integer := coalesce(read_events.min_offset, 0);
    types text[];
BEGIN
    IF read_events.max_count IS NULL OR read_events.max_count NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'max_count is %', coalesce(read_events.max_count::text, 'NULL') USING
            ERRCODE = 'invalid_parameter_value', DETAIL = 'It must be 1 to 10000.',
            HINT = 'Read the next page from the offset after the last one.';
    END IF;
    IF read_events.event_types IS NOT NULL THEN
        types := pg_catalog.regexp_split_to_array(pg_catalog.btrim(read_events.event_types), '\s*,\s*');
        PERFORM parlant.check_event_type(type) FROM pg_catalog.unnest(types) AS type;
    END IF;
    IF first < 0 THEN
        SELECT greatest(0, first + 1 + event."offset") INTO first
        FROM parlant.parlant_event AS event
        WHERE event.workspace_id = workspace AND event.session_id = read_events.session_id
        ORDER BY event.workspace_id DESC, event.session_id DESC, event."offset" DESC LIMIT 1;
    END IF;
    -- Ordered by all columns of the key, so that no plan sorts.
    RETURN QUERY
        SELECT event."offset", event.id, event.event_type::text, event.content, event.metadata, event.tool_call_id,
               event.journey_id, event.state_id, pg_catalog.timezone('utc', event.created_at)
        FROM parlant.parlant_event AS event
        WHERE event.workspace_id = workspace AND event.session_id = read_events.session_id
          AND event."offset" >= first AND (types IS NULL OR event.event_type::text = ANY (types))
        ORDER BY event.workspace_id, event.session_id, event."offset"
        LIMIT read_events.max_count;
END $$;
COMMENT ON FUNCTION parlant.read_events(uuid, integer, integer, text) IS
    'Events of a session in order, from min_offset on, at most max_count (1 to 10000); a negative min_offset counts from '
    'the end, so that -20 reads the last 20. Types of events are separated by commas.';
COMMENT ON FUNCTION parlant.lock_session(uuid) IS
    'Locks a session until the transaction ends, as appending to it does: others wait that append to it.';

CREATE FUNCTION parlant.end_session(session_id uuid, status text DEFAULT 'completed', satisfaction_score integer DEFAULT NULL)
    RETURNS void VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(end_session.session_id);
    found_status text;
BEGIN
    IF end_session.status IS NULL OR end_session.status NOT IN ('completed', 'abandoned') THEN
        RAISE EXCEPTION 'a session cannot end as "%"', end_session.status USING
            ERRCODE = 'invalid_text_representation',
            DETAIL = 'The status tells how it ended.', HINT = 'It ends as completed or abandoned.';
    END IF;
    UPDATE parlant.parlant_session AS session
    SET status = end_session.status, satisfaction_score = coalesce(end_session.satisfaction_score, session.satisfaction_score)
    WHERE workspace_id = workspace AND id = end_session.session_id AND session.status = 'active';
    IF NOT FOUND THEN
        SELECT session.status INTO found_status FROM parlant.parlant_session AS session
        WHERE workspace_id = workspace AND id = end_session.session_id;
        IF found_status = 'active' THEN
            RAISE EXCEPTION 'permission denied to end session %', end_session.session_id USING
                ERRCODE = 'insufficient_privilege',
                DETAIL = 'You may see the session, and not change it.', HINT = 'Ask somebody with permission write.';
        END IF;
        RAISE EXCEPTION 'session % has ended', end_session.session_id USING
            ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = pg_catalog.format('It is %s, and a session ends once.', found_status),
            HINT = 'Start a new session.';
    END IF;
END $$;
COMMENT ON FUNCTION parlant.end_session(uuid, text, integer) IS
    'Ends an active session as completed or abandoned, with the satisfaction of the customer from 1 to 5.';

CREATE FUNCTION parlant.close_idle_sessions(idle interval DEFAULT '24 hours', max_sessions integer DEFAULT 1000)
    RETURNS bigint VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql AS $$
DECLARE
    closed bigint;
BEGIN
    IF idle IS NULL OR idle < interval '2 minutes' THEN
        RAISE EXCEPTION 'sessions cannot be idle after %', coalesce(idle::text, 'NULL') USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = 'It must be two minutes or more: events move last_activity_at once a minute.',
            HINT = 'Leave it out for 24 hours.';
    END IF;
    PERFORM parlant.check_batch(max_sessions);
    UPDATE parlant.parlant_session AS session SET status = 'abandoned'
    FROM (SELECT workspace_id, id FROM parlant.parlant_session
          WHERE status = 'active' AND last_activity_at < pg_catalog.timezone('utc', pg_catalog.now()) - idle
          ORDER BY id LIMIT max_sessions FOR NO KEY UPDATE SKIP LOCKED) AS idler
    WHERE session.workspace_id = idler.workspace_id AND session.id = idler.id;
    GET DIAGNOSTICS closed = ROW_COUNT;
    RETURN closed;
END $$;
COMMENT ON FUNCTION parlant.close_idle_sessions(interval, integer) IS
    'Abandons active sessions without an event for some time, at most max_sessions of them, and returns their number: '
    'call it again, in a transaction of its own, until that is 0. Sessions that somebody is writing to are left alone.';

CREATE FUNCTION parlant.check_batch(max_sessions integer) RETURNS void
    IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
    IF max_sessions IS NULL OR max_sessions NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'max_sessions is %', coalesce(max_sessions::text, 'NULL') USING
            ERRCODE = 'invalid_parameter_value', DETAIL = 'It must be 1 to 100000.',
            HINT = 'A call locks its sessions until the transaction ends: rather call it more often.';
    END IF;
END $$;
COMMENT ON FUNCTION parlant.check_batch(integer) IS 'Refuses a number of sessions that is too large for one transaction.';

CREATE FUNCTION parlant.apply_retention(dry_run boolean DEFAULT false, max_sessions integer DEFAULT 1000)
    RETURNS TABLE (workspace_id text, agent_id uuid, sessions bigint, events bigint)
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM parlant.check_batch(apply_retention.max_sessions);
    IF apply_retention.dry_run THEN
        RETURN QUERY
            SELECT session.workspace_id, session.agent_id, pg_catalog.count(*), pg_catalog.sum(session.event_count)
            FROM parlant.parlant_agent AS agent
            JOIN parlant.parlant_session AS session ON session.workspace_id = agent.workspace_id AND session.agent_id = agent.id
            WHERE session.ended_at < pg_catalog.timezone('utc', pg_catalog.now()) - pg_catalog.make_interval(days => agent.data_retention_days)
            GROUP BY 1, 2 ORDER BY 1, 2;
        RETURN;
    END IF;
    RETURN QUERY
        WITH due AS MATERIALIZED (
            SELECT session.workspace_id, session.id
            FROM parlant.parlant_agent AS agent
            JOIN parlant.parlant_session AS session ON session.workspace_id = agent.workspace_id AND session.agent_id = agent.id
            WHERE session.ended_at < pg_catalog.timezone('utc', pg_catalog.now()) - pg_catalog.make_interval(days => agent.data_retention_days)
            ORDER BY session.id LIMIT apply_retention.max_sessions
            FOR UPDATE OF session SKIP LOCKED
        ), deleted AS (
            DELETE FROM parlant.parlant_session AS session USING due
            WHERE session.workspace_id = due.workspace_id AND session.id = due.id
            RETURNING session.workspace_id, session.agent_id, session.event_count
        )
        SELECT deleted.workspace_id, deleted.agent_id, pg_catalog.count(*), pg_catalog.sum(deleted.event_count)
        FROM deleted GROUP BY 1, 2 ORDER BY 1, 2;
END $$;
COMMENT ON FUNCTION parlant.apply_retention(boolean, integer) IS
    'Deletes ended sessions, with their events, that are older than data_retention_days of their agent, at most '
    'max_sessions of them: call it again, in a transaction of its own, until it returns nothing. A dry run tells what is due.';

CREATE FUNCTION parlant.session_transcript(session_id uuid) RETURNS text
    STABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(session_transcript.session_id);
    session record;
    transcript text;
BEGIN
    SELECT s.*, agent.name AS agent_name, agent.pii_handling_mode = 'strict' AS is_strict INTO session
    FROM parlant.parlant_session AS s
    LEFT JOIN parlant.parlant_agent AS agent ON agent.workspace_id = s.workspace_id AND agent.id = s.agent_id
    WHERE s.workspace_id = workspace AND s.id = session_transcript.session_id;

    SELECT pg_catalog.concat_ws(E'\n\n',
               '# ' || coalesce(nullif(session.title, ''), 'Session ' || session.id),
               pg_catalog.format('%s with %s, from %s UTC, %s%s.',
                      pg_catalog.initcap(coalesce(session.session_type, 'conversation')), coalesce(session.agent_name, 'an agent'),
                      pg_catalog.to_char(session.started_at, 'YYYY-MM-DD HH24:MI'),
                      CASE session.status WHEN 'active' THEN 'still going on'
                          ELSE session.status || pg_catalog.to_char(session.ended_at, '" at "YYYY-MM-DD HH24:MI') END,
                      ', customer ' || session.customer_id),
               pg_catalog.string_agg(parlant.transcript_line(event_type::text, content, tool_call_id, event.created_at,
                                     coalesce(session.agent_name, 'Agent')), E'\n\n' ORDER BY event."offset"))
        || E'\n'
    INTO transcript
    FROM parlant.parlant_event AS event
    WHERE event.workspace_id = workspace AND event.session_id = session_transcript.session_id;
    RETURN CASE WHEN session.is_strict THEN parlant.mask_personal_data(transcript) ELSE transcript END;
END $$;
COMMENT ON FUNCTION parlant.session_transcript(uuid) IS
    'A session as Markdown, for a person to read. Where the agent handles personal data strictly, e-mail addresses, phone '
    'numbers and card numbers are masked.';

CREATE FUNCTION parlant.transcript_line(event_type text, content jsonb, tool_call_id text, created_at timestamp, agent text)
    RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT coalesce(CASE event_type
        WHEN 'customer_message' THEN pg_catalog.format('**Customer**, %s', pg_catalog.to_char(created_at, 'HH24:MI:SS'))
        WHEN 'agent_message' THEN pg_catalog.format('**%s**, %s', agent, pg_catalog.to_char(created_at, 'HH24:MI:SS'))
        WHEN 'tool_call' THEN pg_catalog.format('*Call of %s* (%s): `%s`',
            coalesce(content ->> 'tool_name', content ->> 'toolName', content ->> 'tool_id', content ->> 'toolId',
                     content ->> 'tool', content ->> 'name'), tool_call_id,
            coalesce(content -> 'parameters', content -> 'arguments', content -> 'args'))
        WHEN 'tool_result' THEN pg_catalog.format('*Result of %s*: `%s`', tool_call_id,
            coalesce(content -> 'result', content -> 'error', content -> 'output', content))
        WHEN 'journey_transition' THEN
            '*' || CASE content ->> 'kind' WHEN 'exit' THEN 'Left the journey at ' || (content ->> 'from')
                                           WHEN 'enter' THEN 'Entered the journey at ' || (content ->> 'to')
                                           ELSE 'Moved from ' || (content ->> 'from') || ' to ' || (content ->> 'to') END || '*'
        WHEN 'variable_update' THEN
            '*' || (content ->> 'key') || ' is now* `' || coalesce(content -> 'new_value', content -> 'value')::text || '`'
        END, pg_catalog.format('*%s*: `%s`', pg_catalog.initcap(pg_catalog.replace(event_type, '_', ' ')), content))
        || CASE WHEN event_type IN ('customer_message', 'agent_message') THEN E'\n'
        || pg_catalog.regexp_replace(
               coalesce(content ->> 'message', content ->> 'text', content ->> 'content',
                        pg_catalog.format('(%s attachments)', pg_catalog.jsonb_array_length(content -> 'attachments'))),
               '^', '> ', 'gn')
        ELSE '' END $$;
COMMENT ON FUNCTION parlant.transcript_line(text, jsonb, text, timestamp, text) IS 'An event in Markdown.';

CREATE FUNCTION parlant.export_session(session_id uuid) RETURNS jsonb
    STABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(export_session.session_id);
    agent record;
    document jsonb;
BEGIN
    SELECT a.id, a.name, a.allow_data_export, a.pii_handling_mode = 'strict' AS is_strict INTO agent
    FROM parlant.parlant_session AS session
    JOIN parlant.parlant_agent AS a ON a.workspace_id = session.workspace_id AND a.id = session.agent_id
    WHERE session.workspace_id = workspace AND session.id = export_session.session_id;
    IF agent.allow_data_export IS NOT TRUE THEN
        RAISE EXCEPTION 'sessions of agent "%" may not be exported', agent.name USING
            ERRCODE = 'insufficient_privilege',
            DETAIL = 'Its allow_data_export is false.', HINT = 'Ask an admin of the workspace.';
    END IF;
    SELECT pg_catalog.jsonb_build_object(
               'session', pg_catalog.to_jsonb(session),
               'events', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(event) ORDER BY event."offset")
                                   FROM parlant.parlant_event AS event
                                   WHERE event.workspace_id = workspace AND event.session_id = session.id), '[]'),
               'variables', coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(variable) ORDER BY variable.key)
                                      FROM parlant.parlant_variable AS variable
                                      WHERE variable.workspace_id = workspace AND variable.agent_id = session.agent_id
                                        AND variable.session_id = session.id AND NOT variable.is_private), '[]'))
    INTO document
    FROM parlant.parlant_session AS session
    WHERE session.workspace_id = workspace AND session.id = export_session.session_id;
    IF agent.is_strict THEN
        document := parlant.mask_personal_json(document)::jsonb;
    END IF;
    RETURN pg_catalog.jsonb_build_object('format', 'parlant.session', 'version', 1, 'exported_at', pg_catalog.now(),
               'masked', coalesce(agent.is_strict, false), 'agent', pg_catalog.jsonb_build_object('id', agent.id, 'name', agent.name))
           || document;
END $$;
COMMENT ON FUNCTION parlant.export_session(uuid) IS
    'A session as JSON: all of its columns, events and variables that are not private. Refused with 42501 where the agent '
    'forbids exports; masked like a transcript where it handles personal data strictly.';

COMMENT ON FUNCTION parlant.mask_personal_data(text) IS
    'The text with [email], [phone] and [card] in place of e-mail addresses, phone numbers and card numbers.';
COMMENT ON FUNCTION parlant.mask_personal_json(jsonb) IS
    'A JSON document, as text, with the strings in it masked as by mask_personal_data; its keys stay.';
COMMENT ON FUNCTION parlant.erase_customer(text, text) IS
    'Deletes the sessions of a customer in a workspace with their events, and the variables of the customer, and takes '
    'the customer out of the audit log. Returns how many of each. For admins of the workspace.';

CREATE FUNCTION parlant.keep_totals() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'keep_totals_wrapper';
COMMENT ON FUNCTION parlant.keep_totals() IS
    'Trigger: keeps for the totals of agents what sessions add to them that are deleted.';

CREATE FUNCTION parlant.refresh_totals() RETURNS TABLE (totals text, changed bigint)
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql ROWS 5 AS $$
BEGIN
    -- One at a time: who comes later sees what the one before has written, and does not fold an older log.
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('parlant.refresh_totals', 0));
    RETURN QUERY SELECT 'behaviour', parlant.refresh_behaviour_totals();
    RETURN QUERY SELECT 'tools', parlant.refresh_tool_totals();
    RETURN QUERY SELECT 'agents', parlant.refresh_agent_totals();
    RETURN QUERY SELECT 'journeys', parlant.refresh_journey_totals();
END $$;
COMMENT ON FUNCTION parlant.refresh_totals() IS
    'Brings the totals that clients read up to date with the log, for a scheduler or anybody to call at any time. '
    'Returns how many rows of each kind have changed.';

CREATE FUNCTION parlant.refresh_agent_totals() RETURNS bigint
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql AS $$
DECLARE
    changed bigint;
BEGIN
    WITH counted AS (
        SELECT workspace_id, agent_id, pg_catalog.count(*) AS sessions, pg_catalog.sum(message_count) AS messages,
               pg_catalog.sum(tokens_used) AS tokens, pg_catalog.sum(cost) AS cost, pg_catalog.count(ended_at) AS ended,
               pg_catalog.sum(EXTRACT(epoch FROM ended_at - started_at)) AS seconds,
               pg_catalog.max(last_activity_at) AS last_active_at
        FROM parlant.parlant_session GROUP BY 1, 2
    ), summed AS (
        SELECT agent.workspace_id, agent.id,
               coalesce(sessions, 0) + coalesce((total_of_deleted_sessions ->> 'sessions')::bigint, 0) AS sessions,
               coalesce(messages, 0) + coalesce((total_of_deleted_sessions ->> 'messages')::bigint, 0) AS messages,
               coalesce(tokens, 0) + coalesce((total_of_deleted_sessions ->> 'tokens')::bigint, 0) AS tokens,
               coalesce(counted.cost, 0) + coalesce((total_of_deleted_sessions ->> 'cost')::bigint, 0) AS cost,
               (coalesce(seconds, 0) + coalesce((total_of_deleted_sessions ->> 'seconds')::bigint, 0))
                   / nullif(coalesce(ended, 0) + coalesce((total_of_deleted_sessions ->> 'ended')::bigint, 0), 0) AS duration,
               greatest(agent.last_active_at, counted.last_active_at) AS last_active_at
        FROM parlant.parlant_agent AS agent
        LEFT JOIN counted ON counted.workspace_id = agent.workspace_id AND counted.agent_id = agent.id
    ), total AS (
        SELECT workspace_id, id, least(sessions, 2147483647)::integer AS sessions,
               least(messages, 2147483647)::integer AS messages, least(tokens, 2147483647)::integer AS tokens,
               least(summed.cost, 2147483647)::integer AS cost, CASE WHEN duration IS NOT NULL THEN least(duration, 2147483647)::integer END AS duration, last_active_at
        FROM summed
    ), held AS (
        SELECT total.*
        FROM parlant.parlant_agent AS agent JOIN total ON total.workspace_id = agent.workspace_id AND total.id = agent.id
        WHERE (agent.total_sessions, agent.total_messages, agent.total_tokens_used, agent.total_cost,
               agent.average_session_duration, agent.last_active_at)
              IS DISTINCT FROM (total.sessions, total.messages, total.tokens, total.cost, total.duration, total.last_active_at)
        ORDER BY agent.id FOR NO KEY UPDATE OF agent
    )
    UPDATE parlant.parlant_agent AS agent
    SET total_sessions = held.sessions, total_messages = held.messages, total_tokens_used = held.tokens,
        total_cost = held.cost, average_session_duration = held.duration, last_active_at = held.last_active_at
    FROM held WHERE agent.workspace_id = held.workspace_id AND agent.id = held.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
COMMENT ON FUNCTION parlant.refresh_agent_totals() IS
    'Totals of agents from their sessions and from what deleted ones have left; part of refresh_totals().';
