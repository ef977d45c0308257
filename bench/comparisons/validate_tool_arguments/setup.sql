CREATE EXTENSION parlant;
CREATE TABLE form (form text);
INSERT INTO form VALUES ('{"type": "object", "properties": {"order": {"type": "string", "minLength": 4}, "lines": {"type": "array", "items": {"type": "integer"}}, "urgent": {"type": "boolean"}, "country": {"enum": ["de", "at", "ch"]}, "note": {"type": "string", "maxLength": 100}}, "required": ["order"], "additionalProperties": false}');
CREATE TABLE document (n integer, document jsonb);
INSERT INTO document
SELECT n, jsonb_build_object('lines', '[1, 2, 3]'::jsonb, 'urgent', n % 2 = 0, 'country', 'de', 'note', 'by the back door')
          || CASE WHEN n % 10 = 0 THEN '{}' ELSE jsonb_build_object('order', 'order ' || n) END
FROM generate_series(1, 1000) AS n;
INSERT INTO parlant.parlant_tool (id, workspace_id, name, display_name, description, tool_type, parameters)
SELECT '00000000-0000-4000-8000-000000000001', 'acme', 'order', 'Order', 'Orders', 'custom', form::jsonb FROM form;
VACUUM ANALYZE;
