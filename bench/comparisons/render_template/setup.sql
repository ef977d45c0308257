CREATE EXTENSION parlant;
CREATE TABLE form (form text);
INSERT INTO form VALUES ('Dear {{ customer.name|title }}, {% if vip %}as always, {% endif %}your order leaves us tomorrow:{% for line in lines %} {{ loop.index }}. {{ line.name }}, {{ line.count }} pieces;{% endfor %} thank you!');
CREATE TABLE document (n integer, document jsonb);
INSERT INTO document
SELECT n, jsonb_build_object('customer', jsonb_build_object('name', 'ada ' || n), 'vip', n % 2 = 0, 'lines',
           '[{"name": "tea", "count": 2}, {"name": "salt", "count": 1}, {"name": "bread", "count": 3}]'::jsonb)
FROM generate_series(1, 1000) AS n;
VACUUM ANALYZE;
