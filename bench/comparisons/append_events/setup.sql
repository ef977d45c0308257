\ir ../../setup/sessions.sql
-- As a client sends it: text, uncompressed.
CREATE TABLE batch (events text STORAGE EXTERNAL);
INSERT INTO batch
SELECT jsonb_agg(jsonb_build_object('event_type', 'customer_message', 'content',
                                    jsonb_build_object('message', 'A table for four at eight?')))
FROM generate_series(1, 100);
VACUUM ANALYZE;
