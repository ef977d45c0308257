\ir ../../setup/behaviour.sql
CREATE TABLE bare_event (LIKE parlant.parlant_event INCLUDING DEFAULTS, PRIMARY KEY (id));
CREATE TABLE bare_session (LIKE parlant.parlant_session INCLUDING DEFAULTS, PRIMARY KEY (id)) WITH (fillfactor = 80);
INSERT INTO bare_session SELECT * FROM parlant.parlant_session;
VACUUM ANALYZE;
