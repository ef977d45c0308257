\ir ../../setup/sessions.sql
\ir ../../conventional/sessions.sql
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
CREATE TABLE bare_session (LIKE parlant.parlant_session INCLUDING DEFAULTS, PRIMARY KEY (id)) WITH (fillfactor = 80);
INSERT INTO bare_session SELECT * FROM parlant.parlant_session;
GRANT SELECT, INSERT ON bare_event TO application;
GRANT SELECT, UPDATE ON bare_session TO application;
VACUUM ANALYZE;
