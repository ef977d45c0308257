CREATE EXTENSION parlant;
-- Uncompressed, so that reading it is no more than that.
CREATE TABLE workflow (blocks integer PRIMARY KEY, document jsonb STORAGE EXTERNAL);
-- Groups of four blocks: an agent asks, a condition decides whether a request is sent, another agent tells. And a note,
-- since the journey gets an end, and may have 10,000 states.
INSERT INTO workflow
SELECT size, jsonb_build_object('version', '1.0', 'state', jsonb_build_object(
    'metadata', '{"name": "Orders"}'::jsonb, 'blocks', blocks.document, 'edges', edges.document))
FROM (VALUES (100), (1000), (10000)) AS wanted (size),
LATERAL (
    SELECT jsonb_object_agg('b' || n, jsonb_build_object(
        'type', CASE WHEN n = 0 THEN 'start_trigger' WHEN n = size - 1 THEN 'note' WHEN n % 4 = 2 THEN 'condition' WHEN n % 4 = 3 THEN 'api' ELSE 'agent' END,
        'name', CASE WHEN n = 0 THEN 'Start' ELSE (ARRAY['Tell', 'Ask', 'Decide', 'Request'])[n % 4 + 1] || ' ' || n END,
        'position', jsonb_build_object('x', 300 * n, 'y', 100 * (n % 4)),
        'subBlocks', CASE
            WHEN n IN (0, size - 1) THEN '{}'
            WHEN n % 4 = 2 THEN jsonb_build_object('conditions', jsonb_build_object('value', format(
                '[{"id": "c%s-if", "title": "if", "value": "<ask%s.total> <= 20"}, {"id": "c%s-else", "title": "else", "value": ""}]',
                n, n - 1, n)))
            WHEN n % 4 = 3 THEN jsonb_build_object('url', jsonb_build_object('value', 'https://shop.test/orders/<ask' || n - 2 || '.order>'),
                                                   'method', '{"value": "GET"}'::jsonb)
            ELSE jsonb_build_object('messages', jsonb_build_object('value', jsonb_build_array(jsonb_build_object(
                'role', 'user', 'content', '<start.input> Ask for the number and the total of order ' || n || ', and be brief.')))) END)) AS document
    FROM generate_series(0, size - 1) AS n) AS blocks,
LATERAL (
    SELECT jsonb_agg(jsonb_build_object('id', 'e' || from_n || '-' || to_n, 'source', 'b' || from_n, 'target', 'b' || to_n, 'sourceHandle',
               CASE WHEN from_n % 4 <> 2 OR from_n = 0 THEN 'source' WHEN to_n = from_n + 1 THEN 'condition-c' || from_n || '-if'
                    ELSE 'condition-c' || from_n || '-else' END) ORDER BY from_n, to_n) AS document
    FROM (SELECT n, n + 1 FROM generate_series(0, size - 3) AS n
          UNION ALL SELECT n, n + 2 FROM generate_series(2, size - 4, 4) AS n) AS edge (from_n, to_n)) AS edges;
VACUUM ANALYZE;
