\ir ../../setup/sessions.sql
CREATE TABLE session_copy (LIKE parlant.parlant_session INCLUDING ALL);
INSERT INTO session_copy SELECT * FROM parlant.parlant_session;
ALTER TABLE session_copy ENABLE ROW LEVEL SECURITY;
CREATE POLICY workspace ON session_copy USING (workspace_id = current_setting('app.workspace_id'));
GRANT SELECT ON session_copy TO application;
GRANT USAGE ON SCHEMA parlant TO unrestricted;
GRANT SELECT ON parlant.parlant_session TO unrestricted;
VACUUM ANALYZE;
