\ir ../../setup/sessions.sql
INSERT INTO parlant.parlant_event (session_id, event_type, content)
SELECT id, 'customer_message', jsonb_build_object('message', 'I would like to book a table for four at eight, by the window if that is possible, since it is birthday ' || n || '.')
FROM generate_series(1, 10) AS n, parlant.parlant_session AS session;
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
INSERT INTO bare_event SELECT * FROM parlant.parlant_event;
VACUUM ANALYZE;
