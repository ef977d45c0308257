CREATE EXTENSION parlant;
CREATE TABLE form (form text);
INSERT INTO form VALUES ('total > 100 && (member || lines.exists(line, line == "tea")) && customer.country in ["de", "at", "ch"]');
CREATE TABLE document (n integer, document jsonb);
INSERT INTO document
SELECT n, jsonb_build_object('total', n, 'member', n % 3 = 0, 'lines', '["salt", "tea"]'::jsonb, 'note', 'none', 'customer', jsonb_build_object('country', 'de'))
FROM generate_series(1, 1000) AS n;
VACUUM ANALYZE;
