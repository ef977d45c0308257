-- Trigger functions. They belong to the extension; the triggers that call them stand with their tables.

CREATE FUNCTION parlant.fill_from_parent() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'fill_from_parent_wrapper';
COMMENT ON FUNCTION parlant.fill_from_parent() IS
    'Trigger: fills the columns named in its third and later arguments from the parent row: the row of the table in '
    'its second argument whose id is in the column named in its first.';

CREATE FUNCTION parlant.set_updated_at() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'set_updated_at_wrapper';
COMMENT ON FUNCTION parlant.set_updated_at() IS 'Trigger: sets updated_at to the UTC time of the transaction.';

CREATE FUNCTION parlant.match_final_flag() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR (NEW.is_final AND NOT OLD.is_final) THEN
        -- Either says that the state is final.
        NEW.is_final := true;
        NEW.state_type := 'final';
    ELSIF NEW.state_type <> OLD.state_type THEN
        NEW.is_final := NEW.state_type = 'final';
    END IF;
    -- Else is_final is cleared while state_type stays final: nobody said which type instead, so the check refuses it.
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.match_final_flag() IS
    'Trigger: sets both of state_type = final and is_final of a journey state when a client sends either.';

CREATE FUNCTION parlant.keep_lone_state_alone() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    lone record;
BEGIN
    -- Transactions that change the states of one journey go one after another, in every isolation level, because each
    -- writes to the journey. Journeys are locked by id, so that two such statements cannot deadlock.
    PERFORM FROM parlant.parlant_journey
    WHERE (workspace_id, id) IN (SELECT workspace_id, journey_id FROM changed_state)
    ORDER BY id
    FOR NO KEY UPDATE;

    UPDATE parlant.parlant_journey SET updated_at = pg_catalog.timezone('utc', pg_catalog.now())
    WHERE (workspace_id, id) IN (SELECT workspace_id, journey_id FROM changed_state);

    SELECT state.name, journey.title INTO lone
    FROM parlant.parlant_journey_state AS state
    JOIN parlant.parlant_journey AS journey
      ON journey.workspace_id = state.workspace_id AND journey.id = state.journey_id
    WHERE (state.workspace_id, state.journey_id) IN (SELECT workspace_id, journey_id FROM changed_state)
      AND state.is_initial AND state.is_final
      AND EXISTS (SELECT FROM parlant.parlant_journey_state AS other
                  WHERE other.workspace_id = state.workspace_id AND other.journey_id = state.journey_id
                    AND other.id <> state.id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'state "%" of journey "%" is initial and final, but not the only one', lone.name, lone.title USING
            ERRCODE = 'check_violation',
            SCHEMA = 'parlant', TABLE = 'parlant_journey_state', CONSTRAINT = 'initial_and_final_state_is_alone',
            DETAIL = 'A journey whose initial state is final ends where it begins, so its other states can never be reached.',
            HINT = 'Make another state the initial or the final one, or remove the other states.';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION parlant.keep_lone_state_alone() IS
    'Trigger: refuses a journey with a state that is initial and final at once besides others.';

CREATE FUNCTION parlant.leave_state_with_journey() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    -- Only where the session was in a journey before: a state sent without journey is a mistake for the check to refuse.
    IF TG_OP = 'UPDATE' AND OLD.current_journey_id IS NOT NULL THEN
        NEW.current_state_id := NULL;
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.leave_state_with_journey() IS
    'Trigger: clears current_state_id of a session that leaves its journey.';

CREATE FUNCTION parlant.set_ended_at() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := greatest(NEW.started_at, pg_catalog.timezone('utc', pg_catalog.now()));
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.set_ended_at() IS 'Trigger: sets ended_at of a session to the UTC time of the transaction.';

CREATE FUNCTION parlant.fit_agent_to_scope() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.agent_id := NULL;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.fit_agent_to_scope() IS
    'Trigger: clears the agent of a variable in scope global, which clients written for a mandatory agent send.';

CREATE FUNCTION parlant.match_value_type() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    -- A type that the client sends stays, for the check to refuse it if it is wrong.
    IF NEW.value_type IS NULL OR (TG_OP = 'UPDATE' AND NEW.value_type = OLD.value_type) THEN
        NEW.value_type := pg_catalog.jsonb_typeof(NEW.value);
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION parlant.match_value_type() IS
    'Trigger: derives value_type of a variable from its value when a client leaves it out.';
