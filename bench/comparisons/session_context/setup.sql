\ir ../../setup/behaviour.sql
\ir ../../conventional/behaviour.sql
-- The documents as they are at the end. Uncompressed, so that reading one is no more than that.
CREATE TABLE finished (session_id uuid PRIMARY KEY, document jsonb STORAGE EXTERNAL);
INSERT INTO finished
SELECT id, parlant.session_context(id) FROM parlant.parlant_session WHERE workspace_id = 'workspace_1' AND current_journey_id IS NOT NULL;
GRANT SELECT ON finished TO application;
VACUUM ANALYZE;
