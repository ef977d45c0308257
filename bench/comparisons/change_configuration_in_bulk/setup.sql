CREATE EXTENSION parlant;
INSERT INTO parlant.parlant_agent (id, workspace_id, name)
VALUES ('00000000-0000-4000-8000-000000000000', 'acme', 'Bo');
CREATE TABLE unaudited_guideline (LIKE parlant.parlant_guideline INCLUDING ALL);
ALTER TABLE unaudited_guideline ADD FOREIGN KEY (workspace_id, agent_id)
    REFERENCES parlant.parlant_agent (workspace_id, id) ON DELETE CASCADE;
-- As rows of parlant_journey_guideline refer to parlant_guideline, which each update of either looks at.
CREATE TABLE unaudited_journey_guideline (LIKE parlant.parlant_journey_guideline INCLUDING ALL,
    FOREIGN KEY (workspace_id, agent_id, guideline_id)
        REFERENCES unaudited_guideline (workspace_id, agent_id, id) ON DELETE CASCADE);
CREATE TRIGGER set_updated_at BEFORE UPDATE ON unaudited_guideline
    FOR EACH ROW EXECUTE FUNCTION parlant.set_updated_at();
INSERT INTO parlant.parlant_guideline (id, agent_id, condition, action)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-4000-8000-000000000000', 'c' || n, 'a'
FROM generate_series(1, 10000) n;
INSERT INTO unaudited_guideline SELECT * FROM parlant.parlant_guideline;
UPDATE parlant.parlant_guideline SET priority = priority % 1000 + 1;
CREATE TABLE entry AS SELECT * FROM parlant.parlant_audit_log WHERE action = 'update';
CREATE TABLE bare_log (LIKE parlant.parlant_audit_log INCLUDING INDEXES);
VACUUM ANALYZE;
