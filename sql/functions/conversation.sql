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
    IF NOT FOUND THEN
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
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(append_event.session_id);
    earlier record;
BEGIN
    PERFORM parlant.check_event_type(append_event.event_type);
    IF append_event.idempotency_key IS NOT NULL THEN
        -- Of two calls with the same key the second waits here, and then finds the event of the first.
        PERFORM parlant.lock_session(append_event.session_id);
        SELECT id, event."offset", event.created_at, event.event_type, event.content, event.tool_call_id INTO earlier
        FROM parlant.parlant_event AS event
        WHERE workspace_id = workspace AND event.session_id = append_event.session_id
          AND event.idempotency_key = append_event.idempotency_key;
        IF FOUND THEN
            PERFORM parlant.check_repetition(
                append_event.idempotency_key, earlier."offset",
                earlier.event_type = append_event.event_type AND earlier.content = append_event.content
                AND (append_event.tool_call_id IS NULL OR append_event.tool_call_id = earlier.tool_call_id));
            RETURN QUERY SELECT earlier.id, earlier."offset", pg_catalog.timezone('utc', earlier.created_at), true;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY
        INSERT INTO parlant.parlant_event AS event (
            workspace_id, session_id, event_type, content, metadata, tool_call_id, idempotency_key, tokens, cost)
        VALUES (workspace, append_event.session_id, append_event.event_type, append_event.content,
                append_event.metadata, append_event.tool_call_id, append_event.idempotency_key,
                nullif(append_event.tokens, 0), nullif(append_event.cost, 0))
        RETURNING event.id, event."offset", pg_catalog.timezone('utc', event.created_at), false;
END $$;
COMMENT ON FUNCTION parlant.append_event(uuid, text, jsonb, jsonb, text, text, integer, integer) IS
    'Appends an event to an active session and returns its offset. A retry with the same idempotency key appends '
    'nothing and returns the first event with duplicate = true. Tokens and cost are added to those of the session.';

CREATE FUNCTION parlant.append_events(session_id uuid, events jsonb)
    RETURNS TABLE (event_id uuid, "offset" integer, created_at timestamptz, duplicate boolean)
    VOLATILE PARALLEL UNSAFE LANGUAGE plpgsql ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    workspace text := parlant.session_workspace(append_events.session_id);
    earlier record;
BEGIN
    PERFORM parlant.check_events(events);
    IF EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(events) AS sent WHERE sent ->> 'idempotency_key' IS NOT NULL) THEN
        PERFORM parlant.lock_session(append_events.session_id);
        FOR earlier IN
            SELECT event.idempotency_key, event."offset", event.event_type = sent ->> 'event_type'
                   AND event.content = sent -> 'content'
                   AND (sent ->> 'tool_call_id' IS NULL OR sent ->> 'tool_call_id' = event.tool_call_id) AS is_same
            FROM pg_catalog.jsonb_array_elements(events) AS sent
            JOIN parlant.parlant_event AS event ON event.idempotency_key = sent ->> 'idempotency_key'
            WHERE workspace_id = workspace AND event.session_id = append_events.session_id
        LOOP
            PERFORM parlant.check_repetition(earlier.idempotency_key, earlier."offset", earlier.is_same);
        END LOOP;
    END IF;
    RETURN QUERY
        WITH sent AS (
            SELECT element, n, event.id, event."offset", event.created_at,
                   pg_catalog.count(*) FILTER (WHERE event.id IS NULL) OVER (ORDER BY n) AS place
            FROM pg_catalog.jsonb_array_elements(events) WITH ORDINALITY AS element (element, n)
            LEFT JOIN parlant.parlant_event AS event
              ON event.workspace_id = workspace AND event.session_id = append_events.session_id
             AND event.idempotency_key = element ->> 'idempotency_key'
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

CREATE FUNCTION parlant.check_event_type(event_type text) RETURNS void
    IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
    IF event_type IS NULL OR event_type NOT IN ('customer_message', 'agent_message', 'tool_call', 'tool_result',
                                                'status_update', 'journey_transition', 'variable_update') THEN
        RAISE EXCEPTION 'there is no event type "%"', event_type USING
            ERRCODE = 'invalid_text_representation',
            DETAIL = 'The type tells what an event records.',
            HINT = 'Types are customer_message, agent_message, tool_call, tool_result, status_update, journey_transition '
                   'and variable_update.';
    END IF;
END $$;
COMMENT ON FUNCTION parlant.check_event_type(text) IS 'Refuses what is no type of an event.';

CREATE FUNCTION parlant.check_repetition(idempotency_key text, "offset" integer, is_same boolean) RETURNS void
    IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
    IF is_same IS NOT TRUE THEN
        RAISE EXCEPTION 'idempotency key "%" belongs to another event', idempotency_key USING
            ERRCODE = 'invalid_parameter_value',
            DETAIL = pg_catalog.format('The event at offset %s has it, with another type, content or tool_call_id.', "offset"),
            HINT = 'Use a new key for each event, and the same only to send the same event again.';
    END IF;
END $$;
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
