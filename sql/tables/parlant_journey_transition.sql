CREATE TABLE parlant.parlant_journey_transition (
    id                  uuid NOT NULL,
    workspace_id        text NOT NULL,
    journey_id          uuid NOT NULL,
    from_state_id       uuid NOT NULL,
    to_state_id         uuid NOT NULL,
    condition           text,
    priority            integer NOT NULL DEFAULT 100,
    use_count           integer NOT NULL DEFAULT 0,
    last_used_at        timestamp,
    created_at          timestamp NOT NULL DEFAULT timezone('utc', now()),
    from_state_is_final boolean NOT NULL GENERATED ALWAYS AS (false) STORED,

    CONSTRAINT parlant_journey_transition_pkey PRIMARY KEY (id),
    CONSTRAINT journey_is_in_the_workspace FOREIGN KEY (workspace_id, journey_id)
        REFERENCES parlant.parlant_journey (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT from_state_is_in_the_journey_and_not_final
        FOREIGN KEY (workspace_id, journey_id, from_state_id, from_state_is_final)
        REFERENCES parlant.parlant_journey_state (workspace_id, journey_id, id, is_final) ON DELETE CASCADE,
    CONSTRAINT to_state_is_in_the_journey FOREIGN KEY (workspace_id, journey_id, to_state_id)
        REFERENCES parlant.parlant_journey_state (workspace_id, journey_id, id) ON DELETE CASCADE,
    CONSTRAINT condition_has_1_to_2000_characters CHECK (length(condition) <= 2000 AND btrim(condition) <> ''),
    CONSTRAINT priority_is_1_to_1000 CHECK (priority BETWEEN 1 AND 1000),
    CONSTRAINT use_count_is_not_negative CHECK (use_count >= 0)
);
COMMENT ON TABLE parlant.parlant_journey_transition IS
    'A way from one state of a journey to another, or to itself, taken when its condition holds.';
COMMENT ON COLUMN parlant.parlant_journey_transition.id IS
    'Key of the transition, a UUIDv7 unless the client sends its own.';
COMMENT ON COLUMN parlant.parlant_journey_transition.workspace_id IS
    'Workspace of the journey; filled from it when left out.';
COMMENT ON COLUMN parlant.parlant_journey_transition.journey_id IS 'The journey; both states belong to it.';
COMMENT ON COLUMN parlant.parlant_journey_transition.from_state_id IS 'State it leaves; never a final one.';
COMMENT ON COLUMN parlant.parlant_journey_transition.to_state_id IS 'State it leads to.';
COMMENT ON COLUMN parlant.parlant_journey_transition.condition IS 'When it is taken; NULL is always.';
COMMENT ON COLUMN parlant.parlant_journey_transition.priority IS '1 to 1000; of those that hold, the highest is taken.';
COMMENT ON COLUMN parlant.parlant_journey_transition.use_count IS 'Times taken; folded from the log, may lag.';
COMMENT ON COLUMN parlant.parlant_journey_transition.last_used_at IS 'UTC time it was last taken; may lag.';
COMMENT ON COLUMN parlant.parlant_journey_transition.created_at IS 'UTC time of creation.';
COMMENT ON COLUMN parlant.parlant_journey_transition.from_state_is_final IS
    'Always false: part of the foreign key that keeps transitions from leaving a final state.';
COMMENT ON CONSTRAINT from_state_is_in_the_journey_and_not_final ON parlant.parlant_journey_transition IS
    'Refuses a transition out of a final state, and making a state final while a transition leaves it.';

ALTER TABLE parlant.parlant_journey_transition ALTER COLUMN id SET DEFAULT parlant.uuidv7();

ALTER TABLE parlant.parlant_journey_transition ADD COLUMN use_count_of_deleted_sessions integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN parlant.parlant_journey_transition.use_count_of_deleted_sessions IS
    'What deleted sessions add to use_count; kept by a trigger.';
ALTER TABLE parlant.parlant_journey_transition ADD CONSTRAINT use_count_of_deleted_sessions_is_not_negative
    CHECK (use_count_of_deleted_sessions >= 0);
ALTER TABLE parlant.parlant_journey_transition ADD COLUMN condition_kind text NOT NULL DEFAULT 'natural';
COMMENT ON COLUMN parlant.parlant_journey_transition.condition_kind IS
    'Who judges the condition: natural = the application''s model, expression = the database, for it is CEL.';
ALTER TABLE parlant.parlant_journey_transition ADD CONSTRAINT condition_kind_is_known
    CHECK (condition_kind IN ('natural', 'expression'));
ALTER TABLE parlant.parlant_journey_transition ADD CONSTRAINT expression_has_a_condition
    CHECK (condition_kind <> 'expression' OR condition IS NOT NULL);

-- A condition may be longer than an index entry, so its 64-bit hash stands for it.
CREATE UNIQUE INDEX parlant_journey_transition_key ON parlant.parlant_journey_transition
    (workspace_id, journey_id, from_state_id, to_state_id, hashtextextended(condition, 0)) NULLS NOT DISTINCT;
COMMENT ON INDEX parlant.parlant_journey_transition_key IS
    'Two transitions with the same states and condition would be one.';

CREATE INDEX parlant_journey_transition_from ON parlant.parlant_journey_transition
    (workspace_id, journey_id, from_state_id, priority DESC, created_at, id);
COMMENT ON INDEX parlant.parlant_journey_transition_from IS
    'Reads the transitions that leave a state in their order, at every hop; follows a journey or a state to them.';

-- In this order so that no planner that knows nothing yet of a new table takes it for a way to transitions from a state.
CREATE INDEX parlant_journey_transition_target ON parlant.parlant_journey_transition
    (workspace_id, to_state_id, journey_id);
DROP INDEX parlant.parlant_journey_transition_to;
COMMENT ON INDEX parlant.parlant_journey_transition_target IS 'Follows a state to the transitions that lead to it.';

CREATE TRIGGER fill_workspace_id BEFORE INSERT ON parlant.parlant_journey_transition
    FOR EACH ROW WHEN (NEW.workspace_id IS NULL)
    EXECUTE FUNCTION parlant.fill_from_parent('journey_id', 'parlant_journey', 'workspace_id');
COMMENT ON TRIGGER fill_workspace_id ON parlant.parlant_journey_transition IS 'Fills workspace_id from the journey.';

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_transition
    FOR EACH ROW EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_row ON parlant.parlant_journey_transition IS 'Notes what changed in the row for the audit log.';

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE ON parlant.parlant_journey_transition
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.audit_change();
COMMENT ON TRIGGER audit_statement ON parlant.parlant_journey_transition IS 'Writes what was noted into the audit log.';

ALTER TABLE parlant.parlant_journey_transition ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_journey_transition FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_read ON parlant.parlant_journey_transition FOR SELECT
    USING (workspace_id = parlant.readable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY reading_needs_read ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may read it, unless they hang below a soft-deleted agent.';

CREATE POLICY inserting_needs_write ON parlant.parlant_journey_transition FOR INSERT
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY inserting_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY updating_needs_write ON parlant.parlant_journey_transition FOR UPDATE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id))
    WITH CHECK (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY updating_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';

CREATE POLICY deleting_needs_write ON parlant.parlant_journey_transition FOR DELETE
    USING (workspace_id = parlant.writable_workspace_id() AND parlant.shows_journey(workspace_id, journey_id));
COMMENT ON POLICY deleting_needs_write ON parlant.parlant_journey_transition IS
    'Rows of the workspace that the transaction acts in, for a user who may write it, unless they hang below a soft-deleted agent.';
