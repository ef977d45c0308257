-- Without foreign keys: the log outlives what it tells of.
CREATE TABLE parlant.parlant_audit_log (
    id             uuid NOT NULL,
    workspace_id   text NOT NULL,
    occurred_at    timestamp NOT NULL DEFAULT timezone('utc', now()),
    transaction_id bigint NOT NULL,
    user_id        text,
    customer_id    text,
    database_role  text NOT NULL,
    table_name     text NOT NULL,
    row_id         uuid NOT NULL,
    action         text NOT NULL,
    old_values     jsonb,
    new_values     jsonb,

    CONSTRAINT parlant_audit_log_pkey PRIMARY KEY (id),
    CONSTRAINT action_is_known CHECK (action IN ('insert', 'update', 'delete')),
    CONSTRAINT old_values_is_an_object CHECK (jsonb_typeof(old_values) = 'object'),
    CONSTRAINT new_values_is_an_object CHECK (jsonb_typeof(new_values) = 'object')
);
COMMENT ON TABLE parlant.parlant_audit_log IS
    'What was changed in the configuration of a workspace, by whom and when. Written by triggers, read by admins.';
COMMENT ON COLUMN parlant.parlant_audit_log.id IS 'Key of the entry, a UUIDv7: in the order in which a connection wrote.';
COMMENT ON COLUMN parlant.parlant_audit_log.workspace_id IS
    'Workspace of the row that was changed; empty if it belongs to the whole database.';
COMMENT ON COLUMN parlant.parlant_audit_log.occurred_at IS 'UTC time of the transaction, as in updated_at of the row.';
COMMENT ON COLUMN parlant.parlant_audit_log.transaction_id IS 'Transaction that changed it, by pg_current_xact_id().';
COMMENT ON COLUMN parlant.parlant_audit_log.user_id IS 'User that the transaction acted for; NULL if for none.';
COMMENT ON COLUMN parlant.parlant_audit_log.customer_id IS 'Customer that the transaction acted for; NULL if for none.';
COMMENT ON COLUMN parlant.parlant_audit_log.database_role IS
    'Role that logged in to the database, whatever SET ROLE or functions made of it.';
COMMENT ON COLUMN parlant.parlant_audit_log.table_name IS 'Table of the row, in schema parlant.';
COMMENT ON COLUMN parlant.parlant_audit_log.row_id IS 'Key of the row.';
COMMENT ON COLUMN parlant.parlant_audit_log.action IS 'insert, update or delete.';
COMMENT ON COLUMN parlant.parlant_audit_log.old_values IS
    'Object: the columns before; of an update those that it changed. Secrets are masked.';
COMMENT ON COLUMN parlant.parlant_audit_log.new_values IS
    'Object: the columns after; of an update those that it changed. Secrets are masked.';

ALTER TABLE parlant.parlant_audit_log ALTER COLUMN id SET DEFAULT parlant.uuidv7();

-- Ascending, so that a new entry is the last of its workspace: pages that no later entry goes to are full.
CREATE INDEX parlant_audit_log_time ON parlant.parlant_audit_log (workspace_id, occurred_at);
COMMENT ON INDEX parlant.parlant_audit_log_time IS 'Lists the changes of a workspace, latest first, also to purge old ones.';

-- The row first, which tells entries apart with one comparison.
CREATE INDEX parlant_audit_log_row ON parlant.parlant_audit_log (row_id, workspace_id);
COMMENT ON INDEX parlant.parlant_audit_log_row IS 'Finds the changes of a row.';

CREATE INDEX parlant_audit_log_customer ON parlant.parlant_audit_log (workspace_id, customer_id)
    WHERE customer_id IS NOT NULL;
COMMENT ON INDEX parlant.parlant_audit_log_customer IS 'Finds what a customer caused, to erase the name.';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON parlant.parlant_audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION parlant.refuse_audit_change();
COMMENT ON TRIGGER refuse_change ON parlant.parlant_audit_log IS
    'The log is only appended to. Its owner can disable this trigger, and parlant.purge_audit_log() deletes what is old.';

ALTER TABLE parlant.parlant_audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE parlant.parlant_audit_log FORCE ROW LEVEL SECURITY;

CREATE POLICY reading_needs_admin ON parlant.parlant_audit_log FOR SELECT
    USING (workspace_id = parlant.administered_workspace_id());
COMMENT ON POLICY reading_needs_admin ON parlant.parlant_audit_log IS
    'Entries of the workspace that the transaction acts in, for an admin of it.';
